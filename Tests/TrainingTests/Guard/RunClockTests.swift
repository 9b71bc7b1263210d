import Foundation
import Jobs
import Testing

@testable import Training

/// Stopping in time.
@Suite struct RunClockTests {
    @Test func savingIsNeverLeftTooLate() {
        var clock = RunClock(checkpointBytes: 400_000_000)
        // Estimated at 4 s; half as much again, and the margin.
        #expect(!clock.mustSave(left: 16.5) && clock.mustSave(left: 15.5))
        clock.measured(save: 8)
        clock.measured(save: 2)
        #expect(!clock.mustSave(left: 22.5) && clock.mustSave(left: 21.5))
    }

    @Test func aStepIsBegunOnlyWhereItAndASaveFit() {
        var clock = RunClock(checkpointBytes: 0)
        // Before the first step nothing is known of steps.
        #expect(!clock.mustStop(left: 10.5) && clock.mustStop(left: 9.5))
        clock.measured(.step, 4)
        clock.measured(.step, 40)
        clock.measured(.step, 4)
        // No step waits for a validation.
        clock.measured(.validation, 400)
        #expect(!clock.mustStop(left: 60.5) && clock.mustStop(left: 59.5))
        #expect(!clock.mustSave(left: 59.5))
        #expect(clock.mustStop(left: -1) && clock.mustSave(left: -1))
    }

    @Test func whatTakesLongIsNotWaitedFor() {
        var clock = RunClock(checkpointBytes: 0)
        // The first step may take any time; validations are few.
        #expect(clock.isLong(.step, after: 0))
        #expect(!clock.isLong(.validation, after: 4.9) && clock.isLong(.validation, after: 5.1))
        clock.measured(.step, 0.01)
        #expect(!clock.isLong(.step, after: 4.9))
        // Whatever those before it took.
        #expect(clock.isLong(.step, after: 5.1))
        clock.measured(.validation, 60)
        #expect(clock.isLong(.validation, after: 0) && !clock.isLong(.step, after: 0))
        clock.measured(.step, 6)
        #expect(clock.isLong(.step, after: 0))
    }

    @Test func slurmTellsWhatIsLeft() {
        let answers: [(String, SlurmTime.Answer?)] = [
            ("59:58\n", .left(3598)), ("0:00\n", .left(0)), ("1:00:05\n", .left(3605)), ("2-03:04:05", .left(183_845)),
            ("   1:30  ", .left(90)), ("UNLIMITED\n", .unlimited), ("INVALID\n", nil), ("NOT_SET\n", nil), ("", nil),
            ("12", nil), ("a:b", nil), ("1-2-3:4", nil), ("-1:00", nil), ("1:2:3:4", nil), ("x-1:00:00", nil),
        ]
        for (text, answer) in answers { #expect(SlurmTime.answer(text) == answer, "\(text)") }
    }

    @Test func slurmsJobIsANumber() {
        #expect(SlurmTime.job { ["SLURM_JOB_ID": "4711"][$0] } == "4711")
        #expect(SlurmTime.job { _ in nil } == nil)
        // Nothing else gets into a command line.
        for id in ["", "1; rm x", "$(x)", "1 2", "-1"] { #expect(SlurmTime.job { _ in id } == nil, "\(id)") }
    }

    @Test func slurmsEnvironmentTellsTheEnd() {
        #expect(SlurmTime.left({ ["SLURM_JOB_END_TIME": "1000"][$0] }, now: 400) == 600)
        #expect(SlurmTime.left({ _ in nil }, now: 400) == nil)
        #expect(SlurmTime.left({ _ in "soon" }, now: 400) == nil)
    }

    @Test func theDeadlineFollowsTheJob() throws {
        #expect(RunDeadline(.unlimited, spent: 3) { _ in "1" }.left == nil)
        #expect(RunDeadline(.automatic, spent: 3) { _ in nil }.left == nil)
        let left = try #require(RunDeadline(.seconds(100), spent: 30) { _ in nil }.left)
        #expect(left <= 70 && left > 60)
    }

    @Test func slurmsEndCountsWhereItIsSooner() throws {
        let end = Date().timeIntervalSince1970 + 100
        func left(_ seconds: Int) -> Double? {
            RunDeadline(.seconds(seconds), spent: 0) {
                ["SLURM_JOB_ID": "999999999", "SLURM_JOB_END_TIME": "\(end)"][$0]
            }.left
        }
        #expect(try #require(left(1000)) <= 100)
        #expect(try #require(left(50)) <= 50)
    }
}
