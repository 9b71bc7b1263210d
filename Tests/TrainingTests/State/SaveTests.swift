import Checkpoints
import Foundation
import Model
import TestSupport
import Testing

@testable import Compute
@testable import Training

/// What a rank saves from, and the thread that writes; ranks together are in Tests/ranks.
@Suite("Saving in the background")
struct SaveTests {
    private struct Broken: Error {}

    private func values(_ pieces: [CheckpointPiece]) -> [[Float]] { pieces.map(\.values.array) }

    @Test("a copy has what the state had, whatever becomes of that", arguments: [1, 2, 3, 8])
    func copies(_ ranks: Int) throws {
        let table = ParameterTable(tinyModel { ($0.width, $0.heads, $0.depth) = (40, 2, 2) })
        let engine = try Engine(threads: 3)
        for rank in 0..<ranks {
            let state = TrainingState(table, slices: FlatSlices(count: table.flatCount, ranks: ranks), rank: rank)
            let snapshot = StateSnapshot(state, engine)
            #expect(snapshot.bytes == StateSnapshot.bytes(table, state.slices, rank: rank))
            #expect(snapshot.pieces.map(\.extent) == state.checkpointLayout[rank])
            let direct = state.checkpointPieces(in: state.savedVectors)
            for round in 1...2 {
                for (number, vector) in state.savedVectors.enumerated() {
                    for i in 0..<vector.count { vector[i] = Float(number * 1000 + round) + Float(i) / 4 }
                }
                let before = values(direct)
                #expect(snapshot.take(engine))
                #expect(values(snapshot.pieces) == before)
                for vector in state.savedVectors { vector.fill(-1) }
                #expect(values(snapshot.pieces) == before && values(direct) != before)
            }
            for (number, odd) in [Float.nan, .infinity, -.infinity, .nan].enumerated() {
                let vectors = state.savedVectors
                guard vectors[number].count > 0 else { continue }
                vectors[number][vectors[number].count - 1] = odd
                #expect(!snapshot.take(engine))
                vectors[number][vectors[number].count - 1] = 0
            }
            #expect(snapshot.take(engine))
            withExtendedLifetime(state) {}
        }
    }

    @Test("work on another thread is looked at, waited for, and tells what went wrong")
    func tasks() throws {
        let gate = DispatchSemaphore(value: 0)
        let task = BackgroundTask("test") { () -> Int in
            gate.wait()
            return 7
        }
        #expect(task.result == nil)
        gate.signal()
        #expect(try task.wait().get() == 7)
        #expect(try task.result?.get() == 7)
        let failing = BackgroundTask("test") { () -> Int in throw Broken() }
        #expect(throws: Broken.self) { try failing.wait().get() }
    }
}
