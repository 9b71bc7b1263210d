import Compute
import Datasets
import Distributed
import Model

/// Real samples put through a network at some noise levels: what is shared by measures of a network on a data set.
///
/// A unit of work is a block of fixed samples at one level. Ranks take contiguous, nearly equal ranges of units; a sample's
/// noise is a pure function of (seed, index, training step), and a measure's values are kept by unit, so that they do not
/// depend on the number of ranks, nor on how many blocks share a pass.
final class NoisedPasses {
    /// Samples of a block.
    static let block = 16

    private let dataset: ShardedDataset
    private let model: ModelConfiguration
    private let seed: UInt64
    private let engine: Engine
    /// Samples that are measured, the first ones of the data set.
    let count: Int
    /// Blocks that pass through the network at once.
    private let blocksAtOnce: Int
    let network: Network
    private let arena: Arena
    private let clean, noise, noised: FloatBuffer  // [batch, C, S, S]
    private let stored: FloatBuffer  // [batch, 2 C, S, S] where the data are moments of latents

    /// - Parameters:
    ///   - count: samples to measure; all if nil, or if there are not so many.
    ///   - batch: samples at once, at least; whole blocks. One where a sample's bits may depend on what shares its pass.
    /// - Throws: `DatasetError` where the data do not fit the model.
    init(
        _ dataset: ShardedDataset, _ model: ModelConfiguration, weights: FloatBuffer, count: Int?, batch: Int,
        seed: Int,
        engine: Engine
    ) throws {
        try dataset.requireFits(model)
        self.dataset = dataset
        self.model = model
        self.seed = UInt64(bitPattern: Int64(seed))
        self.engine = engine
        self.count = min(count ?? dataset.count, dataset.count)
        let wanted = min(batch, self.count)
        blocksAtOnce = engine.backend.hasIndependentRows ? max(1, (wanted + Self.block - 1) / Self.block) : 1
        let capacity = min(self.count, blocksAtOnce * Self.block)
        network = Network(model, engine: engine, capacity: capacity, use: .inference)
        network.load(weights)
        let values = capacity * model.imageValues
        let moments = dataset.attributes.latents == nil ? 0 : capacity * dataset.imageValues
        (arena, (clean, noise, noised, stored)) = Arena.build("samples") {
            ($0.take(values), $0.take(values), $0.take(values), $0.take(moments))
        }
    }

    /// Blocks of all samples; the last one may hold fewer.
    var blocks: Int { (count + Self.block - 1) / Self.block }

    /// Of a block.
    func samples(_ block: Int) -> Range<Int> { block * Self.block..<min((block + 1) * Self.block, count) }

    /// One sample of a pass.
    struct Sample {
        let x0, noise, output: UnsafePointer<Float>
    }

    /// Runs this rank's share of (level, block) units.
    ///
    /// - Parameters:
    ///   - levels: a number of noise levels.
    ///   - timestep: of a level, which is what the network sees.
    ///   - addNoise: fills a noised image from (clean image, noise, level).
    ///   - forward: puts inputs through `network`.
    ///   - measure: hears of each unit: its level and block, and where its samples stand in the pass.
    ///   - progress: is told the share that is done.
    func run(
        levels: Int, _ world: Communicator, timestep: (Int) -> Int,
        addNoise: (UnsafePointer<Float>, UnsafePointer<Float>, Int, UnsafeMutablePointer<Float>) -> Void,
        forward: (Network.Input) -> Void,
        measure: (_ level: Int, _ block: Int, _ samples: Range<Int>, _ pass: (Int) -> Sample) -> Void,
        progress: (Double) -> Void
    ) throws {
        // Level by level within a stretch of blocks, so that samples are read once for all levels.
        let stretches = (blocks + blocksAtOnce - 1) / blocksAtOnce
        let units = stretches * levels
        let own = units * world.rank / world.size..<units * (world.rank + 1) / world.size
        var labels = Labels.none
        var held = -1
        for unit in own {
            let (stretch, level) = unit.quotientAndRemainder(dividingBy: levels)
            let ownBlocks = stretch * blocksAtOnce..<min((stretch + 1) * blocksAtOnce, blocks)
            let samples = samples(ownBlocks.lowerBound).lowerBound..<samples(ownBlocks.upperBound - 1).upperBound
            if held != stretch {
                labels = try read(samples)
                held = stretch
            }
            let step = timestep(level)
            engine.pool.parallelFor(samples.count) { i, _ in
                let start = i * model.imageValues
                RandomStream(
                    seed: seed, purpose: RandomPurpose.evaluationNoise.rawValue, step: step,
                    sample: samples.lowerBound + i
                ).normals(into: noise.base + start, count: model.imageValues)
                addNoise(clean.base + start, noise.base + start, level, noised.base + start)
            }
            forward(
                Network.Input(
                    images: noised, timesteps: [Int](repeating: step, count: samples.count), labels: labels))
            for block in ownBlocks {
                let range = self.samples(block)
                let places = range.lowerBound - samples.lowerBound..<range.upperBound - samples.lowerBound
                measure(level, block, places) { [self] place in
                    Sample(
                        x0: clean.base + place * model.imageValues, noise: noise.base + place * model.imageValues,
                        output: network.output.base + place * model.outputValues)
                }
            }
            progress(Double(unit + 1 - own.lowerBound) / Double(own.count))
        }
    }

    /// The clean images of some samples, and their labels. A latent is drawn from its moments as a function of (seed,
    /// index), so that it is the same at all levels.
    private func read(_ samples: Range<Int>) throws -> Labels {
        let latents = dataset.attributes.latents
        var classes = [Int32](repeating: 0, count: dataset.labels == .classes ? samples.count : 0)
        var vectors: [Float] = []
        if case .continuous(let length) = dataset.labels {
            vectors = [Float](repeating: 0, count: samples.count * length)
        }
        try classes.withUnsafeMutableBufferPointer { classes in
            try vectors.withUnsafeMutableBufferPointer { vectors in
                try dataset.read(
                    Array(samples), images: latents == nil ? clean.base : stored.base,
                    classes: classes.isEmpty ? nil : classes.baseAddress,
                    vectors: vectors.isEmpty ? nil : vectors.baseAddress)
            }
        }
        if let latents {
            engine.pool.parallelFor(samples.count) { i, _ in
                let latent = clean.slice(i * model.imageValues, model.imageValues)
                RandomStream(
                    seed: seed, purpose: RandomPurpose.evaluationLatent.rawValue, sample: samples.lowerBound + i
                ).normals(into: latent.base, count: latent.count)
                LatentMoments.draw(
                    stored.slice(i * dataset.imageValues, dataset.imageValues), noise: latent, scale: latents.scale,
                    shift: latents.shift)
            }
        }
        switch model.conditioning {
        case .classes: return .classes(classes.map { Int($0) })
        case .continuous: return .continuous(vectors)
        case .none: return .none
        }
    }

    /// The prior's terms ask for clean images alone: of each block of this rank, in turn.
    func forEachBlock(
        _ world: Communicator, _ body: (_ block: Int, _ images: [UnsafePointer<Float>]) -> Void
    ) throws {
        for block in blocks * world.rank / world.size..<blocks * (world.rank + 1) / world.size {
            let samples = samples(block)
            _ = try read(samples)
            body(
                block, samples.indices.map { UnsafePointer(clean.base + ($0 - samples.lowerBound) * model.imageValues) }
            )
        }
    }
}

/// Values that ranks find out apart: a maximum with minus infinity gives all of them to all, to the bit.
struct SharedValues {
    private(set) var values: [Double]

    init(count: Int) { values = [Double](repeating: -.infinity, count: count) }

    /// A value that is not finite becomes infinity.
    subscript(index: Int) -> Double {
        get { values[index] }
        set { values[index] = newValue.isFinite ? newValue : .infinity }
    }

    /// Collective.
    mutating func share(_ world: Communicator) throws {
        try values.withUnsafeMutableBufferPointer { try world.allReduce($0, .max) }
    }
}
