import Model
import TestSupport
import Testing

/// One kind of network that the tests sweep over, tiny.
struct Variant: Sendable, CustomTestStringConvertible {
    var name: String
    var configuration: ModelConfiguration
    var iterations = Iterations(withoutGradient: 0, withGradient: 0)
    /// Whether samples of the test's batch have their labels dropped.
    var drops = false

    var testDescription: String { name }

    /// The batch's size that a variant is tested with.
    static let samples = 3

    private init(_ name: String, _ change: (inout Variant) -> Void) {
        self.name = name
        var c = ModelConfiguration()
        // F = 24 differs from 2 D = 16, so that a buffer of the wrong one of them shows.
        (c.imageSize, c.channels, c.patchSize, c.width, c.depth, c.heads, c.mlpRatio) = (4, 2, 2, 8, 2, 2, 3)
        c.classes = 3
        configuration = c
        change(&self)
    }

    private static func fixedPoint(
        _ name: String, free: Int, withGradient: Int, _ change: (inout ModelConfiguration) -> Void = { _ in }
    ) -> Variant {
        Variant(name) {
            $0.configuration.fixedPoint = true
            $0.iterations = Iterations(withoutGradient: free, withGradient: withGradient)
            change(&$0.configuration)
        }
    }

    static let dit = Variant("DiT") { _ in }
    static let fpdm = fixedPoint("FPDM", free: 2, withGradient: 2)

    static let all: [Variant] = [
        dit,
        Variant("DiT, labels dropped") { $0.drops = true },
        Variant("DiT, continuous labels, dropped, no sigma") {
            $0.configuration.conditioning = .continuous
            $0.configuration.learnSigma = false
            $0.drops = true
        },
        Variant("DiT, no labels") { $0.configuration.conditioning = .none },
        Variant("DiT, one block, patches of 1, odd widths") {
            ($0.configuration.width, $0.configuration.heads) = (20, 5)
            ($0.configuration.patchSize, $0.configuration.depth, $0.configuration.mlpRatio) = (1, 1, 1.5)
        },
        fpdm,
        fixedPoint("FPDM, timestep everywhere", free: 1, withGradient: 2) { $0.prePostTimestepConditioning = true },
        fixedPoint("FPDM, nothing around it", free: 2, withGradient: 1) { ($0.preDepth, $0.postDepth) = (0, 0) },
        fixedPoint("FPDM, two blocks around it, continuous", free: 0, withGradient: 3) {
            ($0.preDepth, $0.postDepth) = (2, 2)
            $0.conditioning = .continuous
        },
        fixedPoint("FPDM, no labels, two after", free: 1, withGradient: 1) {
            ($0.preDepth, $0.postDepth) = (0, 2)
            $0.conditioning = .none
        },
        fixedPoint("FPDM, no gradient through the solve", free: 3, withGradient: 0),
    ]

    /// Groups of 8 samples.
    static let fpdm144 = fixedPoint("FPDM, 144 tokens of 24, nothing around it", free: 1, withGradient: 2) {
        ($0.imageSize, $0.width, $0.heads) = (24, 24, 3)
        ($0.preDepth, $0.postDepth) = (0, 0)
    }

    /// Weight gradients in blocks of their columns.
    static let wideLayers = fixedPoint("FPDM, 144 tokens of 776, nothing around it", free: 1, withGradient: 2) {
        ($0.imageSize, $0.width, $0.heads, $0.mlpRatio) = (24, 776, 8, 0.5)
        ($0.preDepth, $0.postDepth) = (0, 0)
    }

    /// Networks of several groups of samples in a small batch: 8 of 144 or 256 tokens, 2 of 1024.
    static let grouped: [Variant] = [
        fpdm144,
        Variant("DiT, 256 tokens of 12") {
            ($0.configuration.imageSize, $0.configuration.patchSize) = (16, 1)
            ($0.configuration.width, $0.configuration.heads, $0.drops) = (12, 3, true)
        },
        fixedPoint("FPDM, 1024 tokens of 8", free: 1, withGradient: 2) {
            ($0.imageSize, $0.patchSize, $0.conditioning) = (32, 1, .continuous)
        },
    ]

    /// Larger ones, whose samples are cut into panels and whose heads are odd.
    static let wide: [Variant] = [
        Variant("DiT, 36 tokens of 100") {
            ($0.configuration.imageSize, $0.configuration.width, $0.configuration.heads) = (12, 100, 4)
        },
        fixedPoint("FPDM, 36 tokens of 60", free: 1, withGradient: 2) {
            ($0.imageSize, $0.width, $0.heads) = (12, 60, 5)
        },
        fpdm144,
        // Panels of 40 and 41 rows.
        fixedPoint("FPDM, 81 tokens of 20, timestep everywhere", free: 1, withGradient: 1) {
            ($0.imageSize, $0.patchSize, $0.width, $0.heads) = (9, 1, 20, 4)
            ($0.prePostTimestepConditioning, $0.conditioning) = (true, .continuous)
        },
    ]
}

/// A batch's values, in the forms that both implementations take.
struct Batch {
    var images: [Float]
    var timesteps: [Int]
    var classes: [Int]
    var vectors: [Float]
    var drop: [Bool]?
    let configuration: ModelConfiguration

    init(_ variant: Variant, samples: Int, seed: UInt64 = 1) {
        let c = variant.configuration
        configuration = c
        images = randomFloats(samples * c.imageValues, seed: seed &* 100 + 1)
        timesteps = (0..<samples).map { [3, 500, 999, 0, 41][($0 + Int(seed) - 1) % 5] }
        classes = (0..<samples).map { [1, 0, 2][($0 + Int(seed) - 1) % 3] }
        vectors = randomFloats(samples * c.classes, seed: seed &* 100 + 2)
        drop = variant.drops ? (0..<samples).map { $0 % 2 == 1 } : nil
    }

    var labels: Labels {
        switch configuration.conditioning {
        case .classes: .classes(classes)
        case .continuous: .continuous(vectors)
        case .none: .none
        }
    }

    /// The part of the batch that holds `range`.
    func part(_ range: Range<Int>) -> Batch {
        var part = self
        let c = configuration
        part.images = Array(images[range.lowerBound * c.imageValues..<range.upperBound * c.imageValues])
        part.timesteps = Array(timesteps[range])
        part.classes = Array(classes[range])
        part.vectors = Array(vectors[range.lowerBound * c.classes..<range.upperBound * c.classes])
        part.drop = drop.map { Array($0[range]) }
        return part
    }

    /// Replaces sample `i` by sample `j` of another batch.
    mutating func take(_ i: Int, of other: Batch, _ j: Int) {
        let (image, vector) = (configuration.imageValues, configuration.classes)
        images.replaceSubrange(i * image..<(i + 1) * image, with: other.images[j * image..<(j + 1) * image])
        vectors.replaceSubrange(i * vector..<(i + 1) * vector, with: other.vectors[j * vector..<(j + 1) * vector])
        (timesteps[i], classes[i]) = (other.timesteps[j], other.classes[j])
        drop?[i] = other.drop?[j] ?? false
    }

    var naive: [NaiveNetwork.Sample] {
        let c = configuration
        return timesteps.indices.map { i in
            NaiveNetwork.Sample(
                image: Array(images.doubles[i * c.imageValues..<(i + 1) * c.imageValues]), timestep: timesteps[i],
                label: classes[i], vector: Array(vectors.doubles[i * c.classes..<(i + 1) * c.classes]),
                drop: drop?[i] ?? false)
        }
    }
}
