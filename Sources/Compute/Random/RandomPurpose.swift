/// What a random number is for. Streams of different purpose never meet; the numbers are part of what makes a run
/// repeatable, so none is ever reused.
public enum RandomPurpose: UInt8, CaseIterable, Sendable {
    case initialization = 1
    case permutation = 2
    case timestep = 3
    case noise = 4
    case labelDrop = 5
    case iterations = 6
    case flip = 7
    case validationTimestep = 8
    case validationNoise = 9
    case chunkOrder = 10
    case windowOrder = 11
    case latent = 12
    case validationLatent = 13
    case samplingStart = 128
    case samplingNoise = 129
    case evaluationNoise = 130
    case evaluationLatent = 131
    case packing = 0xDA
}
