import Compute
import Diffusion
import Model

/// A network as samplers ask it: with classifier-free guidance, and the reuse and end of fixed-point solves.
///
/// With guidance a batch is doubled: B images with their labels, then the same without. Each half goes on from its own
/// solution and has its own iterations. Outside of guidance's interval the second half is not computed; where it begins, it
/// starts from the first one's solution.
final class GuidedNetwork {
    let network: Network
    let options: ImageSampler.Options
    private let engine: Engine
    private let arena: Arena
    private let images: FloatBuffer  // [2 B, C, S, S] with guidance, else [B, C, S, S]
    private let guided: FloatBuffer  // [B, O, S, S]
    private let solution: FloatBuffer  // [2 B, T, D] or [B, T, D]
    private let control: SolveControl?

    private var count = 0
    private var labels: (own: Labels, both: Labels) = (.none, .none)
    /// Samples that the newest solution is of.
    private var solved = 0
    private var isGuided = false
    /// Of each sample, conditional ones first: iterations that it may have made by now, and that it has.
    private var allotted: [Int] = []
    private var spent: [Int] = []

    init(_ model: ModelConfiguration, options: ImageSampler.Options, engine: Engine, capacity: Int) {
        (self.options, self.engine) = (options, engine)
        let samples = options.isGuided ? 2 * capacity : capacity
        network = Network(model, engine: engine, capacity: samples, use: .inference)
        let reuse = options.reuseSolution && model.fixedPoint
        let (arena, buffers) = Arena.build("guidance") { arena in
            (
                arena.take(samples * model.imageValues),
                arena.take(options.isGuided ? capacity * model.outputValues : 0),
                arena.take(reuse ? samples * model.tokens * model.width : 0)
            )
        }
        self.arena = arena
        (images, guided, solution) = buffers
        control =
            model.fixedPoint && (options.tolerance > 0 || options.solverMemory != nil)
            ? SolveControl(model, samples: samples, memory: options.solverMemory, engine: engine) : nil
    }

    var bytes: Int { network.bytes + arena.bytes + (control?.bytes ?? 0) }

    /// Begins with other images.
    func begin(count: Int, labels: Labels, unconditional: Labels) {
        self.count = count
        self.labels = (labels, options.isGuided ? Self.joined(labels, unconditional) : labels)
        solved = 0
        let samples = options.isGuided ? 2 * count : count
        (allotted, spent) = ([Int](repeating: 0, count: samples), [Int](repeating: 0, count: samples))
    }

    /// Iterations of each image so far, its unconditional half's among them.
    var iterations: [Int] {
        guard network.configuration.fixedPoint else { return [] }
        return (0..<count).map { spent[$0] + (options.isGuided ? spent[count + $0] : 0) }
    }

    /// Asks the network.
    ///
    /// - Parameters:
    ///   - x: [B, C, S, S]
    ///   - timestep: of the full schedule.
    ///   - iterations: of an FPDM; with a tolerance, those that are added to what a sample may make.
    func evaluate(_ x: FloatBuffer, at timestep: Int, iterations: Int) {
        let c = network.configuration
        isGuided = options.isGuided && (options.guidanceInterval?.contains(timestep) ?? true)
        let samples = isGuided ? 2 * count : count
        let values = count * c.imageValues
        images.copy(from: x.slice(0, values))
        if isGuided { images.slice(values, values).copy(from: x.slice(0, values)) }
        let input = Network.Input(
            images: images, timesteps: [Int](repeating: timestep, count: samples),
            labels: isGuided ? labels.both : labels.own)
        network.forward(
            input, iterations: Iterations(withoutGradient: allow(iterations, samples), withGradient: 0),
            initial: initial(samples), onSolution: keep, control: control)
        for sample in 0..<samples { spent[sample] += control?.used[sample] ?? iterations }
        if isGuided { combine() }
    }

    /// The output for an image, [O, S, S].
    func output(_ image: Int) -> UnsafePointer<Float> {
        let start = image * network.configuration.outputValues
        return UnsafePointer((isGuided ? guided.base : network.output.base) + start)
    }

    /// Iterations that a solve makes at most. A sample that had enough with fewer earlier may make up for it.
    private func allow(_ iterations: Int, _ samples: Int) -> Int {
        guard let control else { return network.configuration.fixedPoint ? iterations : 0 }
        for sample in 0..<samples { allotted[sample] += iterations }
        let most = (0..<samples).map { max(1, allotted[$0] - spent[$0]) }
        control.begin(tolerance: options.tolerance, most: most)
        return most.max() ?? iterations
    }

    private func initial(_ samples: Int) -> FloatBuffer? {
        guard solved > 0 else { return nil }
        let own = network.configuration.tokens * network.configuration.width
        if solved < samples { solution.slice(count * own, count * own).copy(from: solution.slice(0, count * own)) }
        return solution.slice(0, samples * own)
    }

    private func keep(_ newest: FloatBuffer) {
        guard options.reuseSolution else { return }
        solution.slice(0, newest.count).copy(from: newest)
        solved = newest.count / (network.configuration.tokens * network.configuration.width)
    }

    private func combine() {
        let c = network.configuration
        engine.pool.parallelFor(count) { [network, guided, options, count] image, _ in
            Guidance.combine(
                conditional: network.output.base + image * c.outputValues,
                unconditional: network.output.base + (count + image) * c.outputValues, scale: options.guidance,
                guidedChannels: options.guidedChannels, channels: c.channels, outputChannels: c.outputChannels,
                pixels: c.imageSize * c.imageSize, into: guided.base + image * c.outputValues)
        }
    }

    private static func joined(_ first: Labels, _ second: Labels) -> Labels {
        switch (first, second) {
        case (.classes(let a), .classes(let b)): .classes(a + b)
        case (.continuous(let a), .continuous(let b)): .continuous(a + b)
        default: first
        }
    }
}
