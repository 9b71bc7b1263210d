import Compute
import Datasets
import Foundation
import Reporting

/// The samples of one step that a rank needs, in the order of their positions in the global batch.
public final class SampleBatch {
    /// [count, C, S, S] in [-1, 1]; of moments [count, 2 C, S, S]
    public let images: FloatBuffer
    /// How latents are drawn from moments; nil where images are no moments.
    let latents: LatentScaling?
    /// Values of one of `images`.
    let imageValues: Int
    public var classes: [Int32]
    /// [count, K]
    public var vectors: [Float]
    private let arena: Arena

    init(_ dataset: ShardedDataset, count: Int) {
        (latents, imageValues) = (dataset.attributes.latents, dataset.imageValues)
        (arena, images) = Arena.build("samples") { $0.take(count * dataset.imageValues) }
        classes = [Int32](repeating: 0, count: dataset.labels == .classes ? count : 0)
        if case .continuous(let length) = dataset.labels {
            vectors = [Float](repeating: 0, count: count * length)
        } else {
            vectors = []
        }
    }

    /// Of images and labels.
    var bytes: Int {
        arena.bytes + classes.count * MemoryLayout<Int32>.stride + vectors.count * MemoryLayout<Float>.stride
    }

    /// Bytes of a batch, without taking them.
    static func bytes(_ shape: DatasetShape, count: Int) -> Int {
        Arena.measure("samples") { $0.take(count * shape.imageValues) } * MemoryLayout<Float>.stride
            + count * shape.labelBytes
    }

    /// Reads samples, in this order.
    func read(_ dataset: ShardedDataset, _ indices: [Int]) throws {
        try withLabels { try dataset.read(indices, images: images.base, classes: $0, vectors: $1) }
    }

    /// Room for classes and label vectors; nil for those that there are none of.
    func withLabels(
        _ body: (_ classes: UnsafeMutablePointer<Int32>?, _ vectors: UnsafeMutablePointer<Float>?) throws -> Void
    ) throws {
        try classes.withUnsafeMutableBufferPointer { classes in
            try vectors.withUnsafeMutableBufferPointer { vectors in
                try body(
                    classes.isEmpty ? nil : classes.baseAddress, vectors.isEmpty ? nil : vectors.baseAddress)
            }
        }
    }
}

/// Reads the samples of the next steps on a thread of its own, while the present one is computed.
public final class SampleFeed: @unchecked Sendable {
    /// One batch is in use, the others are read ahead.
    static let batchCount = 3

    private let source: any SampleSource
    private let lastStep: Int
    private let batches: [SampleBatch]

    // Everything below is read and written under the condition's lock.
    private let condition = NSCondition()
    private var nextToRead: Int
    private var nextToTake: Int
    private var failure: (any Error)?
    private var stopped = false

    /// - Parameters:
    ///   - virtualRanks: those whose samples are wanted.
    ///   - steps: those to be taken, in order.
    public init(_ dataset: ShardedDataset, _ plan: BatchPlan, virtualRanks: Range<Int>, steps: Range<Int>) {
        source = plan.source(dataset, virtualRanks: virtualRanks, steps: steps)
        lastStep = steps.upperBound
        nextToRead = steps.lowerBound
        nextToTake = steps.lowerBound
        let count = plan.positions(virtualRanks).count
        batches = (0..<Self.batchCount).map { _ in SampleBatch(dataset, count: count) }
        // The thread holds the object until it has ended; `stop` ends it.
        SystemThread.detach("prefetch") { [self] in readAhead() }
    }

    /// Bytes of a feed, without taking them; what the data set itself keeps is not among them.
    static func bytes(_ shape: DatasetShape, _ plan: BatchPlan, virtualRanks: Range<Int>) -> Int {
        let windows = plan.order.map { StreamReader.bytes(shape, $0, streams: virtualRanks.count) } ?? 0
        return batchCount * SampleBatch.bytes(shape, count: plan.positions(virtualRanks).count) + windows
    }

    /// Ends the thread; to be called before the feed is let go.
    public func stop() {
        condition.lock()
        stopped = true
        condition.broadcast()
        condition.unlock()
    }

    /// The samples of the next step, valid until the call after. Waits for them to be read.
    /// - Throws: what went wrong when reading them.
    public func next() throws -> SampleBatch {
        condition.lock()
        defer { condition.unlock() }
        precondition(nextToTake < lastStep, "no steps are left")
        while nextToRead <= nextToTake && failure == nil { condition.wait() }
        if nextToRead <= nextToTake, let failure { throw failure }
        nextToTake += 1
        condition.broadcast()
        return batches[(nextToTake - 1) % batches.count]
    }

    /// What the thread does next.
    private enum Work {
        /// The samples of a step, for which a batch is free.
        case step(Int)
        /// What a later step will need.
        case ahead
    }

    /// What the thread does.
    private func readAhead() {
        // Whether there may be something to read that no step needs yet.
        var hasMore = true
        while let work = next(hasMore: hasMore) {
            let outcome = Result {
                switch work {
                case .step(let step): try source.read(step: step, into: batches[step % batches.count])
                case .ahead: hasMore = try source.readAhead()
                }
            }
            condition.lock()
            switch (outcome, work) {
            case (.success, .step):
                hasMore = true
                nextToRead += 1
            case (.success, .ahead): break
            case (.failure(let error), _):
                failure = error
                stopped = true
            }
            condition.broadcast()
            condition.unlock()
        }
    }

    /// Waits for something to do; nil to end. Steps come first.
    private func next(hasMore: Bool) -> Work? {
        condition.lock()
        defer { condition.unlock() }
        // The batch handed out last is still in use; the others are free.
        func isFree() -> Bool { nextToRead < lastStep && nextToRead < nextToTake + batches.count - 1 }
        while !stopped && !hasMore && !isFree() { condition.wait() }
        if stopped { return nil }
        return isFree() ? .step(nextToRead) : .ahead
    }
}
