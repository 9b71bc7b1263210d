import Jobs
import Model
import Reporting
import TestSupport
import Testing

@Suite struct ResolvedJobTests {
    private struct NotAsked: Error {}

    @Test func everyChoiceIsMade() throws {
        let open = try job()
        let resolved = open.resolved { _ in .recompute }
        #expect(resolved.microbatchSize == 32 && resolved.activations == .recompute)
        #expect(resolved.training.microbatch == 32 && resolved.training.activations == .recompute)
        #expect(resolved.shuffle == .full && resolved.data.shuffle == .full)
        #expect(open.resolved(shuffle: .window) { _ in .keep }.data.shuffle == .window)
        #expect(resolved.sampling.sampler == nil && resolved.optimizer.decaySteps == 0)
        #expect(
            resolved.yaml().contains("  microbatch: 32\n") && resolved.yaml().contains("  activations: recompute\n"))
        #expect(try ResolvedJob.recorded(resolved.yaml(), in: "x") == resolved)
    }

    @Test func whatIsGivenIsNoChoice() throws {
        let given = try job("training.microbatch=16", "training.activations=keep", "data.shuffle=none")
        let resolved = try given.resolved { _ in throw NotAsked() }
        #expect(resolved.configuration == given)
        #expect(resolved.microbatchSize == 16 && resolved.activations == .keep && resolved.shuffle == .none)
    }

    /// Groups of 256 tokens are of 8 samples; a virtual rank has 32.
    @Test(arguments: [(1, 8), (3, 8), (8, 8), (9, 16), (17, 24), (25, 32), (32, 32)])
    func microbatchesAreWholeGroups(_ given: Int, _ taken: Int) throws {
        let resolved = try job("training.microbatch=\(given)").resolved { _ in .keep }
        #expect(resolved.microbatchSize == taken && resolved.training.microbatch == taken)
        // A virtual rank that is smaller than a group goes as a whole.
        let small = try job("training.microbatch=\((given + 7) / 8)", "training.virtualRanks=64")
        #expect(small.resolved { _ in .keep }.microbatchSize == 4)
    }

    @Test func thePrecisionIsGivenRecordedOrChosen() throws {
        let open = try job("training.precision=auto")
        #expect(open.training.precision == nil && open.resolved { _ in .keep }.precision == .float32)
        let chosen = open.resolved(precision: .bf16) { _ in .keep }
        #expect(chosen.precision == .bf16 && chosen.training.precision == .bf16)
        #expect(open.resolved(recorded: chosen) { _ in .keep }.precision == .bf16)
        #expect(try job("training.precision=float32").resolved(recorded: chosen) { _ in .keep }.precision == .float32)
    }

    @Test func recordedChoicesAreKept() throws {
        let recorded = try job("training.microbatch=8").resolved { _ in .recompute }
        #expect(try job().resolved(recorded: recorded) { _ in throw NotAsked() } == recorded)
        let windows = try job("data.shuffle=window").resolved { _ in .keep }
        #expect(try job().resolved(recorded: windows, shuffle: .full) { _ in .keep }.shuffle == .window)
        // In virtual ranks of another size, the nearest to it.
        let fewer = try job("training.virtualRanks=64").resolved(recorded: recorded) { _ in throw NotAsked() }
        #expect(fewer.microbatchSize == 4)
        let whole = try job().resolved { _ in .keep }
        #expect(try job("training.virtualRanks=4").resolved(recorded: whole) { _ in .keep }.microbatchSize == 64)
    }

    @Test(arguments: [
        ("training", "microbatch: 32"), ("training", "activations: keep"), ("data", "shuffle: full"),
        ("training", "precision: float32"),
    ])
    func aRecordThatLeavesAChoiceOpenIsRefused(section: String, line: String) throws {
        let text = try job().resolved { _ in .keep }.yaml()
        let key = line.prefix { $0 != ":" }
        let opened = text.replacing("  \(line)\n", with: "  \(key): auto\n")
        #expect(opened != text)
        let error = try #require(throws: Failure.self) { try ResolvedJob.recorded(opened, in: "runs/x") }
        #expect(error.status == .badData)
        #expect(error.description.hasPrefix("runs/x: its job leaves \(section).\(key) open"))
    }
}
