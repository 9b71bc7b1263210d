import Compute
import Datasets
import Foundation
import Jobs
import Reporting
import Storage
import Training

/// How much of a step's time is spent waiting for samples that are read from disk.
public struct ReadingBench {
    /// One order of samples.
    public struct Line: Codable, Equatable, Sendable {
        /// `window`, `full` or `none`.
        public let shuffle: String
        /// Whether another thread wrote HDF5 files all the while, as a checkpoint is written.
        public let isSaving: Bool
        public let steps: Int
        /// Of all steps, waiting included.
        public let seconds: Double
        /// Until the first samples were there, included in `waitSeconds`.
        public let firstWaitSeconds: Double
        public let waitSeconds: Double
        /// Seconds waited over all seconds.
        public let waitShare: Double
        public let megabytesPerSecond: Double
        /// Chunks read over those that so many samples fill.
        public let readsOfAChunk: Double
    }

    private let path: String
    private let engine: Engine
    private let batch: Int
    private let virtualRanks: Int
    private let window: Int
    private let stepSeconds: Double
    private let clock = ContinuousClock()

    /// - Parameters:
    ///   - path: of a data set that is not kept in memory.
    ///   - stepSeconds: for which a step keeps all of the engine's threads busy.
    public init(_ path: String, engine: Engine, batch: Int, virtualRanks: Int, window: Int, stepSeconds: Double) {
        (self.path, self.engine) = (path, engine)
        (self.batch, self.virtualRanks, self.window) = (batch, virtualRanks, window)
        self.stepSeconds = stepSeconds
    }

    /// Measures one order, from files that are not in memory at first.
    ///
    /// - Parameter scratch: a folder to write into all the while; nil: nothing is written.
    /// - Throws: `StorageError` or `DatasetError` if the data cannot be read, or the files not written.
    public func run(_ shuffle: JobConfiguration.Data.Shuffle, steps: Int, savingTo scratch: String?) throws -> Line {
        let set = try ShardedDataset(path: path)
        for shard in set.shardPaths { try Files.dropFromMemory(shard) }
        var job = JobConfiguration()
        (job.data.shuffle, job.data.window) = (shuffle, window)
        (job.training.globalBatch, job.training.virtualRanks) = (batch, virtualRanks)
        let plan = BatchPlan(job.resolved { _ in .keep }, set.layout)
        let saver = scratch.map { BackgroundWriter(folder: $0) }
        let begin = clock.now
        let feed = SampleFeed(set, plan, virtualRanks: 0..<virtualRanks, steps: 0..<steps)
        defer { feed.stop() }
        var (first, waited) = (0.0, 0.0)
        for step in 0..<steps {
            let asked = clock.now
            _ = try feed.next()
            let wait = (clock.now - asked).seconds
            waited += wait
            if step == 0 { first = wait }
            compute()
        }
        let seconds = (clock.now - begin).seconds
        try saver?.end()
        let samples = Double(steps * batch)
        let bytes = samples * Double(set.imageValues) * Double(set.type.byteCount ?? 4)
        let chunkSamples = Double(set.count) / Double(set.layout.chunkCount)
        return Line(
            shuffle: shuffle.rawValue, isSaving: scratch != nil, steps: steps, seconds: seconds,
            firstWaitSeconds: first, waitSeconds: waited, waitShare: waited / seconds,
            megabytesPerSecond: bytes / seconds / 1e6,
            readsOfAChunk: Double(set.chunksRead) / (samples / chunkSamples))
    }

    /// What a step does to the processor.
    private func compute() {
        let end = clock.now + .seconds(stepSeconds)
        engine.pool.parallelFor(engine.pool.threadCount) { _, _ in while clock.now < end {} }
    }
}

/// Writes HDF5 files one after the other, on a thread of its own.
private final class BackgroundWriter: @unchecked Sendable {
    private static let values = 16 << 20
    private let condition = NSCondition()
    // Under the condition's lock.
    private var isStopping = false
    private var outcome: Result<Void, any Error>?

    init(folder: String) {
        SystemThread.detach("writer") { [self] in
            let written = Result { try write(to: "\(folder)/.partial-bench-\(getpid()).h5") }
            condition.lock()
            outcome = written
            condition.broadcast()
            condition.unlock()
        }
    }

    /// Waits for the present file to be whole.
    func end() throws {
        condition.lock()
        defer { condition.unlock() }
        isStopping = true
        while outcome == nil { condition.wait() }
        try outcome?.get()
    }

    private var goesOn: Bool {
        condition.lock()
        defer { condition.unlock() }
        return !isStopping
    }

    private func write(to path: String) throws {
        let values = [Float](repeating: 1, count: Self.values)
        defer { try? AtomicFile.removeTree(path) }
        while goesOn {
            try AtomicFile.removeTree(path)
            let file = try HDF5File.create(path)
            try file.createDataset("/x", .float32, shape: [values.count]).write(values)
            try file.close()
            try AtomicFile.syncFile(path)
        }
    }
}

/// Latents made up of noise: 32 x 32 x 4 floats and a class of 1,000.
public struct NoiseSource: PackSource {
    public let count: Int
    public var channels: Int { 4 }
    public var side: Int { 32 }
    public var type: PackedType { .float32 }
    public var labels: DatasetLabels { .classes }
    public var labelNames: [String]? { nil }
    public var scaling: (scale: Double, shift: Double) { (1, 0) }

    /// - Parameter bytes: of all images, about.
    public init(bytes: Int) { count = max(bytes / (4 * 32 * 32 * MemoryLayout<Float>.stride), 1) }

    public func sample(at index: Int) -> PackedSample {
        // What noise it is makes no difference; Knuth's linear congruential generator is quick.
        var state = UInt64(index)
        let count = channels * side * side
        let values = [Float](unsafeUninitializedCapacity: count) { buffer, initialized in
            for place in 0..<count {
                state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
                buffer[place] = Float(state >> 40) / 8_388_608 - 1
            }
            initialized = count
        }
        return PackedSample(values: .floats(values), label: .class(Int32(index % 1000)))
    }
}
