import Storage
import TestSupport
import Testing

@testable import Training

/// What a run's record tells of the starts before.
@Suite struct RunRecordTests {
    /// Starts that came no further, by a record of (step, then how and where it ended; nil: not at all).
    private func idle(_ turns: [(start: Int, end: (step: Int, code: Int)?)], at step: Int) throws -> Int {
        let run = try TestFolder()
        var text = ""
        for turn in turns {
            text += #"{"event":"start","step":\#(turn.start),"what":{"else":1}}"# + "\n"
            if let end = turn.end {
                text += #"{"code":\#(end.code),"event":"end","reason":"x","step":\#(end.step)}"# + "\n"
            }
        }
        try AtomicFile.write(text, to: run("runs.jsonl"))
        return RunRecord.idleStarts(run: run.path, at: step)
    }

    @Test func startsThatComeNoFurtherAreCounted() throws {
        #expect(try idle([(0, nil)], at: 0) == 0)
        #expect(try idle([(0, (0, 75)), (0, nil)], at: 0) == 1)
        #expect(try idle([(7, (7, 75)), (7, (7, 75)), (7, nil)], at: 7) == 2)
        #expect(try idle([(0, (7, 75)), (7, (7, 75)), (7, nil)], at: 7) == 1)
    }

    @Test func aStepAnErrorOrAKillEndsTheCount() throws {
        #expect(try idle([(0, (0, 75)), (0, (3, 75)), (3, nil)], at: 3) == 0)
        #expect(try idle([(3, (3, 75)), (3, (3, 65)), (3, nil)], at: 3) == 0)
        // What a start that was killed had done, nobody knows.
        #expect(try idle([(3, (3, 75)), (3, nil), (3, nil)], at: 3) == 0)
        #expect(try idle([(3, nil), (3, (3, 75)), (3, nil)], at: 3) == 1)
        #expect(try idle([], at: 0) == 0)
        #expect(RunRecord.idleStarts(run: "/none", at: 0) == 0)
    }
}
