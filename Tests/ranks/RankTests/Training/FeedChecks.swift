import Datasets
import Distributed
import Jobs
import Storage
import Training

private let samples = 3000
private let chunkSamples = 4
private let virtualRanks = 8

/// A data set too large to be kept in memory, whose images were never written, and whose classes number its samples.
private func makeData(_ path: String) throws {
    let file = try HDF5File.create(DatasetName(path).shard(0, of: 1))
    try file.setAttribute("version", 1)
    try file.setAttribute("content", "pixels")
    try file.setAttribute("scale", 1.0)
    try file.setAttribute("shift", 0.0)
    _ = try file.createDataset(
        "/images", .uint8, shape: [samples, 1, 160, 160], layout: .chunked([chunkSamples, 1, 160, 160]))
    try file.createDataset("/labels", .int32, shape: [samples]).write((0..<samples).map { Int32($0) })
    try file.close()
}

func feedChecks() -> [Check] {
    [
        Check("ranks take each sample once an epoch, and read their own chunks only") { world in
            try withSharedFolder(world) { folder in
                try world.agree { if world.rank == 0 { try makeData("\(folder)/set") } }
                let set = try world.agree { try ShardedDataset(path: "\(folder)/set") }
                try expect(set.isHeld, equals: false)
                var job = JobConfiguration()
                (job.data.shuffle, job.data.window) = (.window, 50)
                (job.training.globalBatch, job.training.virtualRanks) = (5 * virtualRanks, virtualRanks)
                let plan = BatchPlan(job.resolved { _ in .keep }, set.layout)
                let own = plan.virtualRanks(of: world.rank, ranks: world.size)
                let steps = samples / (5 * virtualRanks)
                let feed = SampleFeed(set, plan, virtualRanks: own, steps: 0..<steps)
                defer { feed.stop() }
                var taken: [Int32] = []
                try world.agree {
                    for step in 0..<steps {
                        let classes = try feed.next().classes
                        let expected = plan.samples(step: step, positions: plan.positions(own)).map { Int32($0) }
                        try expect(classes, equals: expected)
                        taken += classes
                    }
                }
                try expect(
                    try world.allGather(taken).joined().sorted() == (0..<samples).map { Int32($0) }, equals: true)
                // Borders of windows and of streams cut chunks, which are then read twice.
                let share = samples / chunkSamples * own.count / virtualRanks
                let most = share + own.count * (samples / virtualRanks / 50 + 3)
                try expect((share..<most).contains(set.chunksRead), equals: true)
            }
        }
    ]
}
