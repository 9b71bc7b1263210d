import Checkpoints
import Compute
import Distributed
import Foundation
import Model
import Storage
import Training

/// Holds the threads that write at one stage until it is opened.
private final class Gate: @unchecked Sendable {
    private let condition = NSCondition()
    private let stage: CheckpointWriter.Stage
    private var isOpen = false

    init(_ stage: CheckpointWriter.Stage) { self.stage = stage }

    func pass(_ reached: CheckpointWriter.Stage) {
        condition.lock()
        while reached == stage && !isOpen { condition.wait() }
        condition.unlock()
    }

    func open() {
        condition.lock()
        isOpen = true
        condition.broadcast()
        condition.unlock()
    }
}

/// A run that only saves: a state whose values follow from the step, and the votes at the end of steps.
private final class Run {
    let folder: String
    let world: Communicator
    let state: TrainingState
    private let saver: CheckpointSaver
    private let vote: StepVote

    init(
        _ folder: String, _ world: Communicator, keepLast: Int = 0, copies: Bool = true,
        after: @escaping @Sendable (CheckpointWriter.Stage) throws -> Void = { _ in }
    ) throws {
        self.folder = folder
        self.world = world
        let table = smallNetwork()
        state = TrainingState(table, slices: FlatSlices(count: table.flatCount, ranks: world.size), rank: world.rank)
        saver = CheckpointSaver(
            run: folder, retention: CheckpointRetention(keepLast: keepLast, keepEvery: 0), copies: copies, state, world,
            try Engine(threads: 1), after: after)
        vote = StepVote(world, positions: 1, virtualRanks: 1, tensors: 1, blocks: 1)
    }

    /// Values of every vector that follow from step and place; the room behind a slice is left to the saver.
    func step(_ step: Int) throws -> CheckpointSaver.Ending? {
        state.step = step
        for (number, vector) in [state.weights, state.ema, state.firstMoment, state.secondMoment].enumerated() {
            let start = number == 0 ? 0 : state.slice.lowerBound
            for i in 0..<vector.count { vector[i] = Float(mixed(start + i, 10 * step + number) >> 40) }
        }
        var ballot = StepVote.Ballot()
        ballot.saving = saver.own
        return try saver.advance(vote.close(ballot).saving)
    }

    func save() throws -> CheckpointSaver.Ending? {
        try saver.begin {
            CheckpointMetadata(step: state.step, jobYAML: "", worldSize: world.size, hosts: [], version: "test")
        }
    }

    func finish() throws -> CheckpointSaver.Ending? { try saver.finish() }

    /// Steps until the save under way has ended.
    func stepUntilEnded(from first: Int) throws -> (step: Int, ending: CheckpointSaver.Ending) {
        for step in first... {
            if let ending = try self.step(step) { return (step, ending) }
            usleep(1000)
        }
        throw Unmet(description: "steps without end")
    }

    /// The committed steps, and any other names in their folder, as rank 0 sees them; equal on all ranks.
    func names() throws -> [String] {
        let found = world.rank == 0 ? try Files.names(in: "\(folder)/checkpoints").joined(separator: " ") : ""
        return try world.broadcast(found, root: 0).split(separator: " ").map(String.init)
    }

    /// Throws unless the checkpoint holds what the state held at a step, to the bit.
    func expectSaved(_ step: Int) throws {
        let reader = try world.agree { try CheckpointReader.open(CheckpointStore(run: folder).path(of: step)) }
        try expect(reader.metadata.step, equals: step)
        let (arena, whole) = Arena.build("tensors") { $0.take(state.table.flatCount) }
        defer { withExtendedLifetime(arena) {} }
        for (number, group) in ["model", "ema", "optimizer/m", "optimizer/v"].enumerated() {
            for parameter in state.table.parameters {
                try reader.read(group: group, name: parameter.name, into: whole[parameter.range])
                let wrong = parameter.range.first { whole[$0] != Float(mixed($0, 10 * step + number) >> 40) }
                try expect(wrong, equals: nil)
            }
        }
    }
}

private func expectSaved(_ ending: CheckpointSaver.Ending?, _ run: Run, _ step: Int) throws {
    guard case .saved(let report) = ending else {
        throw Unmet(description: "step \(step) was not saved: \(ending as Any)")
    }
    try expect(report?.path, equals: run.world.rank == 0 ? CheckpointStore(run: run.folder).path(of: step) : nil)
    try run.expectSaved(step)
}

private func failure(_ ending: CheckpointSaver.Ending?) throws -> RankFailure {
    guard case .failed(let failure) = ending else { throw Unmet(description: "did not fail: \(ending as Any)") }
    return failure
}

/// A save over several steps has the bits of the step that it began at, whichever stage takes long.
private func overSteps(_ world: Communicator, _ stage: CheckpointWriter.Stage) throws {
    try withSharedFolder(world) { folder in
        let gate = Gate(stage)
        let run = try Run(folder, world, after: gate.pass)
        _ = try run.step(1)
        try expect(run.save() == nil, equals: true)
        for step in 2...6 { try expect(run.step(step) == nil, equals: true) }
        try expect(run.names().filter { $0.hasPrefix("step-") }, equals: [])
        gate.open()
        let (_, ending) = try run.stepUntilEnded(from: 7)
        try expectSaved(ending, run, 1)
        try expect(run.names(), equals: ["step-0000001"])
    }
}

func saveChecks() -> [Check] {
    [
        Check("a save under way while steps go on: the bits of its step") { world in
            try overSteps(world, .rankFile(world.size - 1))
            try overSteps(world, .rankFile(0))
        },
        Check("a commit under way while steps go on: the bits of its step") { try overSteps($0, .index) },
        Check("a save that is waited for, from a copy and without one") { world in
            for copies in [true, false] {
                try withSharedFolder(world) { folder in
                    let run = try Run(folder, world, copies: copies)
                    for step in 1...3 {
                        _ = try run.step(step)
                        try expect(run.save() == nil, equals: true)
                        try expectSaved(run.finish(), run, step)
                        try expect(run.finish() == nil, equals: true)
                    }
                }
            }
        },
        Check("what a save takes counts once, waited for or not") { world in
            let slow = 0.5
            for (copies, isWaitedFor) in [(true, false), (true, true), (false, true)] {
                try withSharedFolder(world) { folder in
                    let run = try Run(folder, world, copies: copies) { stage in
                        if stage == .commit { usleep(UInt32(slow * 1e6)) }
                    }
                    _ = try run.step(1)
                    try expect(run.save() == nil, equals: true)
                    let ending = isWaitedFor ? try run.finish() : try run.stepUntilEnded(from: 2).ending
                    try expectSaved(ending, run, 1)
                    guard case .saved(let report?) = ending else { return }
                    try expect(report.writeSeconds >= slow, equals: true)
                    try expect(report.secondsInAll >= report.writeSeconds, equals: true)
                    if isWaitedFor {
                        try expect(report.stallSeconds >= slow, equals: true)
                        // Not to the last: threads and ranks begin at slightly different times.
                        try expect(report.secondsInAll < report.stallSeconds + slow / 2, equals: true)
                    }
                }
            }
        },
        Check("a save that fails on a rank is heard of by all, and the next one is made") { world in
            let hosts = try world.allGather(world.hostName)
            for failing in 0..<world.size {
                try withSharedFolder(world) { folder in
                    let failures = Failures(.rankFile(failing))
                    let run = try Run(folder, world, after: failures.pass)
                    for attempt in 0..<2 {
                        _ = try run.step(1 + attempt)
                        try expect(run.save() == nil, equals: true)
                        let ending = attempt == 0 ? try run.stepUntilEnded(from: 10).ending : try run.finish()
                        let failure = try failure(ending)
                        try expect(failure.rank, equals: failing)
                        try expect(failure.host, equals: hosts[failing])
                        try expect(failure.code, equals: 74)
                        try expect(
                            failure.message, equals: "step \(1 + attempt) was not saved: disk: the disk is full")
                        try expect(run.names(), equals: [])
                    }
                    failures.end()
                    _ = try run.step(20)
                    try expect(run.save() == nil, equals: true)
                    try expectSaved(run.finish(), run, 20)
                }
            }
        },
        Check("a save that fails while rank 0 begins or commits it is heard of by all") { world in
            for stage in [CheckpointWriter.Stage.begun, .index, .commit] {
                try withSharedFolder(world) { folder in
                    let failures = Failures(stage)
                    let run = try Run(folder, world, after: failures.pass)
                    _ = try run.step(1)
                    let ending = try run.save() ?? run.stepUntilEnded(from: 2).ending
                    try expect(failure(ending).rank, equals: 0)
                    try expect(run.names(), equals: [])
                    failures.end()
                    _ = try run.step(9)
                    try expect(run.save() == nil, equals: true)
                    try expectSaved(run.finish(), run, 9)
                    try expect(run.names(), equals: ["step-0000009"])
                }
            }
        },
        Check("earlier checkpoints go once a later one is in its place") { world in
            try withSharedFolder(world) { folder in
                let run = try Run(folder, world, keepLast: 2)
                for step in 1...4 {
                    _ = try run.step(step)
                    try expect(run.save() == nil, equals: true)
                    try expectSaved(run.stepUntilEnded(from: 100 * step).ending, run, step)
                    let kept = (max(1, step - 1)...step).map { "step-000000\($0)" }
                    try expect(run.names(), equals: kept)
                }
            }
        },
    ]
}

/// Makes a stage fail, until told otherwise.
private final class Failures: @unchecked Sendable {
    private let lock = NSLock()
    private let stage: CheckpointWriter.Stage
    private var isOver = false

    init(_ stage: CheckpointWriter.Stage) { self.stage = stage }

    func pass(_ reached: CheckpointWriter.Stage) throws {
        let fails = lock.withLock { reached == stage && !isOver }
        if fails { throw StorageError(.io, "disk", "the disk is full") }
    }

    func end() { lock.withLock { isOver = true } }
}
