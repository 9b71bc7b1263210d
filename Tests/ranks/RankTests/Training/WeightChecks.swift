import Compute
import Datasets
import Distributed
import Jobs
import Reporting
import Training

/// A small FPDM on the digits that come with the project.
///
/// - Parameter width: with 4, so few weights that of more than two ranks some own none.
private func trainer(_ world: Communicator, checking every: Int, width: Int = 32) throws -> Trainer {
    var job = JobConfiguration()
    (job.model.imageSize, job.model.channels, job.model.patchSize, job.model.classes) = (8, 1, 2, 10)
    (job.model.width, job.model.heads, job.model.learnSigma) = (width, 2, false)
    (job.training.steps, job.training.virtualRanks, job.training.globalBatch) = (10_000, 8, 16)
    job.training.iterationsWithoutGradient = IterationRange(0, 1)
    job.training.iterationsWithGradient = IterationRange(1, 2)
    job.training.checkWeightsEvery = every
    let dataset = try ShardedDataset(path: "data/digits")
    let trainer = try Trainer(
        job.resolved { _ in .keep }, dataset: dataset, communicator: world, engine: try Engine(threads: 2))
    trainer.start()
    return trainer
}

/// Changes a weight of an owner's slice.
///
/// - Parameter share: of the slice that lies before it; 1 for its last weight.
private func disturb(_ trainer: Trainer, owner: Int, at share: Double, _ change: (UInt32) -> UInt32) {
    let slice = trainer.state.slices[owner]
    let place = slice.lowerBound + Int(share * Double(slice.count - 1))
    trainer.state.weights[place] = Float(bitPattern: change(trainer.state.weights[place].bitPattern))
}

/// The last bit; and what shows at once.
private let changes: [(change: @Sendable (UInt32) -> UInt32, place: Double, atStep: Int, every: Int)] = [
    ({ $0 ^ 1 }, 1, 3, 2), ({ _ in Float.nan.bitPattern }, 0.5, 2, 100),
]

func weightChecks() -> [Check] {
    [
        Check("a flipped bit in a rank's weights is found, named, and mended without a trace") { world in
            let undisturbed = try trainer(world, checking: 0)
            for _ in 0..<6 { _ = try undisturbed.step() }
            guard world.size > 1 else { return }
            for (change, place, atStep, every) in changes {
                for odd in [0, world.size - 1] {
                    for owner in [odd, (odd + 1) % world.size] {
                        let trainer = try trainer(world, checking: every)
                        var found: [StepReport.Repair] = []
                        for step in 0..<6 {
                            if step == atStep, world.rank == odd { disturb(trainer, owner: owner, at: place, change) }
                            guard let report = try trainer.step() else { throw Unmet(description: "no step was done") }
                            try expect(report.skipped == nil, equals: true)
                            try expect(report.repairs.isEmpty, equals: step != atStep)
                            found += report.repairs
                        }
                        try expect(found.map(\.ranks), equals: [[odd]])
                        try expect(found.map(\.owner), equals: [owner])
                        try expect(
                            trainer.state.weights.array.map(\.bitPattern),
                            equals: undisturbed.state.weights.array.map(\.bitPattern))
                    }
                }
            }
        },
        Check("a flipped bit is found and mended where some ranks own no weights") { world in
            guard world.size > 2 else { return }
            let undisturbed = try trainer(world, checking: 0, width: 4)
            for _ in 0..<3 { _ = try undisturbed.step() }
            let counts = undisturbed.state.slices.counts
            try expect(counts.contains(0), equals: true)
            for owner in counts.indices where counts[owner] > 0 {
                for odd in counts.indices {
                    let trainer = try trainer(world, checking: 1, width: 4)
                    _ = try trainer.step()
                    if world.rank == odd { disturb(trainer, owner: owner, at: 1) { $0 ^ 1 } }
                    let repairs = try (0..<2).flatMap { _ in try trainer.step()?.repairs ?? [] }
                    try expect(repairs.map(\.ranks), equals: [[odd]])
                    try expect(repairs.map(\.owner), equals: [owner])
                    try expect(
                        trainer.state.weights.array.map(\.bitPattern),
                        equals: undisturbed.state.weights.array.map(\.bitPattern))
                }
            }
        },
        Check("weights of which no rank has a good copy end the run") { world in
            let trainer = try trainer(world, checking: 1)
            _ = try trainer.step()
            disturb(trainer, owner: 0, at: 0) { $0 ^ 1 }
            let failure = try expectError(RankFailure.self) { _ = try trainer.step() }
            try expect(failure.code, equals: Failure.Status.software.rawValue)
            try expect(failure.message.contains("no rank has a good copy"), equals: true)
        },
    ]
}

/// Flips random bits of random weights in random ranks' copies, one in each step, and compares each step with one in which
/// nothing happened. Needs two ranks. Collective.
///
/// - Parameter seed: the same on all ranks.
/// - Throws: `Unmet` for one that was not found, was blamed on another rank, or left a trace.
func flipWeights(_ count: Int, seed: UInt64, _ world: Communicator) throws {
    let (trainer, undisturbed) = (try trainer(world, checking: 1), try trainer(world, checking: 0))
    // The first step takes the first checksums.
    for trainer in [trainer, undisturbed] { _ = try trainer.step() }
    for flip in 0..<count {
        let random = RandomStream(seed: seed, purpose: 0, step: flip)
        let (odd, bit) = (random.integer(0, below: world.size), random.integer(1, below: 32))
        let place = random.integer(2, below: trainer.state.weights.count)
        if world.rank == odd {
            trainer.state.weights[place] = Float(bitPattern: trainer.state.weights[place].bitPattern ^ 1 << bit)
        }
        guard let report = try trainer.step(), try undisturbed.step() != nil else {
            throw Unmet(description: "no step was done")
        }
        guard report.repairs.map(\.ranks) == [[odd]], report.skipped == nil else {
            throw Unmet(description: "flip \(flip): bit \(bit) of weight \(place) of rank \(odd): \(report.repairs)")
        }
        try expect(
            trainer.state.weights.array.map(\.bitPattern), equals: undisturbed.state.weights.array.map(\.bitPattern))
    }
}
