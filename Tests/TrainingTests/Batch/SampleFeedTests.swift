import Foundation
import Jobs
import Storage
import TestSupport
import Testing

@testable import Datasets
@testable import Training

@Suite("Sample feed")
struct SampleFeedTests {
    private func plan(
        batch: Int, virtualRanks: Int = 1, _ set: ShardedDataset, shuffle: JobConfiguration.Data.Shuffle = .full,
        window: Int = 4
    ) -> BatchPlan {
        var job = JobConfiguration()
        (job.data.shuffle, job.data.window) = (shuffle, window)
        (job.training.globalBatch, job.training.virtualRanks) = (batch, virtualRanks)
        return BatchPlan(job.resolved { _ in .keep }, set.layout)
    }

    /// A data set of 23 samples in 3 shards.
    private func dataset(
        _ folder: TestFolder, labels: DatasetLabels = .classes, type: PackedType = .uint8, heldBytes: Int = 1 << 20
    ) throws -> ShardedDataset {
        if try !Files.exists(folder("set.h5")) {
            try DatasetWriter.write(
                MadeUpSource(count: 23, type: type, labels: labels), to: folder("set"), shards: 3)
        }
        return try ShardedDataset(path: folder("set"), mostHeldBytes: heldBytes)
    }

    /// Waits for something that another thread does, twenty seconds at most.
    private func eventually(_ holds: () -> Bool) -> Bool {
        for _ in 0..<4_000 {
            if holds() { return true }
            Thread.sleep(forTimeInterval: 0.005)
        }
        return holds()
    }

    typealias Reading = (heldBytes: Int, shuffle: JobConfiguration.Data.Shuffle)

    /// From files and from memory, with all kinds of labels, batches over epochs' ends, and from a later step on.
    @Test(
        "hands out what direct reads give, step by step",
        arguments: [DatasetLabels.classes, .continuous(2), .none],
        [(0, .full), (1 << 20, .full), (0, .window), (1 << 20, .window), (0, .none)] as [Reading])
    func values(_ labels: DatasetLabels, _ reading: Reading) throws {
        let (heldBytes, shuffle) = reading
        let folder = try TestFolder()
        let set = try dataset(folder, labels: labels, heldBytes: heldBytes)
        let plan = plan(batch: 15, virtualRanks: 5, set, shuffle: shuffle)
        let positions = plan.positions(1..<4)
        let feed = SampleFeed(set, plan, virtualRanks: 1..<4, steps: 3..<15)
        defer { feed.stop() }
        // Another object: the first belongs to the feed's thread.
        let other = try dataset(folder, heldBytes: heldBytes)
        for step in 3..<15 {
            let batch = try feed.next()
            let expected = try read(other, plan.samples(step: step, positions: positions))
            #expect(batch.images.array == expected.images, "step \(step)")
            #expect(batch.classes == expected.classes ?? [], "step \(step)")
            #expect(batch.vectors == expected.vectors ?? [], "step \(step)")
        }
    }

    @Test("a batch stays as it is until the next is asked for")
    func untouched() throws {
        let folder = try TestFolder()
        let set = try dataset(folder)
        let plan = plan(batch: 23, set)
        let feed = SampleFeed(set, plan, virtualRanks: 0..<1, steps: 0..<6)
        defer { feed.stop() }
        let other = try dataset(folder)
        var before: SampleBatch?
        for step in 0..<6 {
            let batch = try feed.next()
            #expect(batch !== before)
            // Time enough to read ahead, wherever to.
            Thread.sleep(forTimeInterval: 0.02)
            let expected = try read(other, plan.samples(step: step, positions: 0..<23))
            #expect(batch.images.array == expected.images && batch.classes == expected.classes)
            // Whatever stood there, the next read must overwrite it.
            batch.images.fill(-5)
            before = batch
        }
    }

    @Test("an error comes with the step whose samples cannot be read, and stays")
    func errors() throws {
        let folder = try TestFolder()
        _ = try dataset(folder, type: .float32)
        let (bad, row) = try dataset(folder).place(of: 9)
        try edit(bad) { file in
            let images = try file.dataset("/images")
            var values = try images.read(Float.self)
            let rowCount = images.count / images.shape[0]
            values[row * rowCount + 4] = .nan
            try images.write(values)
            // A wrong digest would be found with the shard's first sample.
            let digests = try file.dataset("/digests")
            var packed: [UInt32] = try digests.read()
            packed[row] = values[row * rowCount..<(row + 1) * rowCount].withUnsafeBytes { CRC32C.of($0) }
            try digests.write(packed)
        }
        let set = try dataset(folder)
        let feed = SampleFeed(
            set, plan(batch: 4, set, shuffle: .none), virtualRanks: 0..<1, steps: 0..<5)
        defer { feed.stop() }
        // Samples 0 to 7; the third step is to have 8 to 11.
        for _ in 0..<2 { _ = try feed.next() }
        for _ in 0..<2 {
            let failure = try dataFailure { _ = try feed.next() }
            #expect(failure.kind == .malformed && failure.file == bad && failure.message.contains("sample \(row) "))
        }
    }

    @Test("stop ends the thread, whatever it is doing", arguments: [0, 1, 3])
    func stopping(_ taken: Int) throws {
        let folder = try TestFolder()
        let set = try dataset(folder)
        weak var gone: SampleFeed?
        do {
            let feed = SampleFeed(set, plan(batch: 4, set), virtualRanks: 0..<1, steps: 0..<3)
            gone = feed
            // After the third the thread has nothing left to read, and waits.
            for _ in 0..<taken { _ = try feed.next() }
            Thread.sleep(forTimeInterval: 0.02)
            #expect(gone != nil)
            feed.stop()
        }
        // The thread holds the object until it ends.
        #expect(eventually { gone == nil })
    }
}
