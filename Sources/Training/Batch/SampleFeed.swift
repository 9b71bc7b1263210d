import Compute
import Datasets
import Foundation

/// The samples of one step that a rank needs, in the order of their positions in the global batch.
public final class SampleBatch {
    /// [count, C, S, S] in [-1, 1]
    public let images: FloatBuffer
    public var classes: [Int32]
    /// [count, K]
    public var vectors: [Float]
    private let arena: Arena

    init(_ dataset: ShardedDataset, count: Int) {
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
    static func bytes(_ dataset: ShardedDataset, count: Int) -> Int {
        let labels =
            switch dataset.labels {
            case .classes: count * MemoryLayout<Int32>.stride
            case .continuous(let length): count * length * MemoryLayout<Float>.stride
            case .none: 0
            }
        return Arena.measure("samples") { $0.take(count * dataset.imageValues) } * MemoryLayout<Float>.stride + labels
    }

    /// Reads samples, in this order.
    func read(_ dataset: ShardedDataset, _ indices: [Int]) throws {
        try classes.withUnsafeMutableBufferPointer { classes in
            try vectors.withUnsafeMutableBufferPointer { vectors in
                try dataset.read(
                    indices, images: images.base, classes: classes.isEmpty ? nil : classes.baseAddress,
                    vectors: vectors.isEmpty ? nil : vectors.baseAddress)
            }
        }
    }
}

/// Reads the samples of the next step on a thread of its own, while the present one is computed.
public final class SampleFeed: @unchecked Sendable {
    private let dataset: ShardedDataset
    private let plan: BatchPlan
    private let positions: Range<Int>
    private let lastStep: Int
    private let batches: [SampleBatch]

    // Everything below is read and written under the condition's lock.
    private let condition = NSCondition()
    private var nextToRead: Int
    private var nextToTake: Int
    private var failure: (any Error)?
    private var stopped = false

    /// - Parameters:
    ///   - positions: of the global batch that this rank computes.
    ///   - steps: those to be taken, in order.
    public init(_ dataset: ShardedDataset, _ plan: BatchPlan, positions: Range<Int>, steps: Range<Int>) {
        self.dataset = dataset
        self.plan = plan
        self.positions = positions
        lastStep = steps.upperBound
        nextToRead = steps.lowerBound
        nextToTake = steps.lowerBound
        batches = (0..<2).map { _ in SampleBatch(dataset, count: positions.count) }
        // The thread holds the object until it has ended; `stop` ends it.
        let thread = Thread { [self] in readAhead() }
        thread.name = "prefetch"
        thread.start()
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

    private func readAhead() {
        while true {
            condition.lock()
            // The batch handed out last is still in use; the other one is free.
            while !stopped && (nextToRead > nextToTake || nextToRead >= lastStep) { condition.wait() }
            let step = nextToRead
            let ended = stopped
            condition.unlock()
            if ended { return }
            let outcome = Result { try read(step: step, into: batches[step % batches.count]) }
            condition.lock()
            if case .failure(let error) = outcome {
                failure = error
                stopped = true
            } else {
                nextToRead += 1
            }
            condition.broadcast()
            condition.unlock()
        }
    }

    private func read(step: Int, into batch: SampleBatch) throws {
        try batch.read(dataset, plan.samples(step: step, positions: positions))
    }
}
