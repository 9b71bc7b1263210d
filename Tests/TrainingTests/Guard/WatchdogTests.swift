import Distributed
import Storage
import TestSupport
import Testing

@testable import Training

/// Who is accused of a standstill, and when.
@Suite struct WatchdogTests {
    private typealias Observation = Suspicion.Observation

    private func pulse(_ rank: Int, isWaiting: Bool = false, still: Double = 0) -> Pulse {
        Pulse(
            rank: rank, host: "n\(rank)", process: 1, count: 1, step: 5, phase: .computing, isWaiting: isWaiting,
            still: still)
    }

    private func verdict(
        _ rank: Int = 0, isWaiting: Bool = true, still: Double, _ others: [Observation]
    ) -> Suspicion? {
        Suspicion.verdict(rank: rank, isWaiting: isWaiting, still: still, others: others, limit: 100)
    }

    @Test func aRankThatWorksAccusesItselfAlone() {
        let dead = [Observation](repeating: Observation(pulse: pulse(1), silent: 90), count: 3)
        #expect(verdict(isWaiting: false, still: 99, dead) == nil)
        #expect(verdict(isWaiting: false, still: 100, dead) == .itself)
    }

    @Test func whoWaitsAccusesTheSilent() {
        let others = [
            Observation(pulse: pulse(0, isWaiting: true, still: 90), silent: 3),
            Observation(pulse: pulse(1), silent: 45),
            Observation(pulse: nil, silent: 0),
        ]
        #expect(verdict(0, still: 99, others) == nil)
        #expect(verdict(0, still: 101, others) == .silent([1]))
        // The lowest rank that can speak does; the others only where that did not help.
        #expect(verdict(2, still: 101, others) == nil)
        #expect(verdict(2, still: 121, others) == .silent([1]))
        let first = [Observation(pulse: pulse(0), silent: 45), Observation(pulse: nil, silent: 0)]
        #expect(verdict(1, still: 101, first) == .silent([0]))
    }

    @Test func aRankThatLivesIsNotAccused() {
        // Such as one that saves for a long time.
        let busy = [Observation(pulse: nil, silent: 0), Observation(pulse: pulse(1, still: 30), silent: 5)]
        for still in [100.0, 130, 1e6] { #expect(verdict(still: still, busy) == nil) }
    }

    @Test func whereAllWaitMPIIsStuck() {
        let all = [Observation](
            repeating: Observation(pulse: pulse(0, isWaiting: true, still: 100), silent: 5), count: 3)
        #expect(verdict(0, still: 119, all) == nil)
        #expect(verdict(0, still: 121, all) == .stuck)
        #expect(verdict(1, still: 121, all) == nil)
        #expect(verdict(1, still: 141, all) == .stuck)
        // Named within 1.5 times the limit, whoever names it.
        #expect(verdict(2, still: 149, all) == .stuck)
    }

    @Test func standstillIsCountedFromTheLastProgress() {
        var stillness = Stillness(interval: 1)
        func look(_ progress: UInt64, bytes: UInt64 = 0, isWaiting: Bool = false, at time: Double) -> Double {
            stillness.look(.init(progress: progress, isWaiting: isWaiting, fileBytes: bytes), now: time)
            return stillness.seconds
        }
        #expect(look(1, at: 100) == 0)
        #expect(look(1, at: 101) == 1)
        #expect(look(1, isWaiting: true, at: 103) == 3 && stillness.isWaiting)
        #expect(look(2, at: 104) == 0 && !stillness.isWaiting)
        // Files that are read or written are progress, by a mebibyte.
        #expect(look(2, bytes: 1000, at: 106) == 2)
        #expect(look(2, bytes: 1 << 20, at: 108) == 0)
        #expect(look(2, bytes: (2 << 20) - 1, at: 110) == 2)
        #expect(look(2, bytes: 2 << 20, at: 111) == 0)
        // A process that was stopped and goes on has not stood still.
        #expect(look(2, bytes: 2 << 20, at: 1000) == 0)
        #expect(look(2, bytes: 2 << 20, at: 1002) == 2)
    }

    @Test func signsOfLifeAreReadAsTheyWereWritten() throws {
        let run = try TestFolder()
        let folder = PulseFolder(run: run.path)
        folder.write(pulse(2))
        #expect(folder.read(rank: 2) == nil, "there is no folder yet")
        folder.renew()
        #expect(folder.read(rank: 2) == nil)
        var sign = pulse(2, isWaiting: true, still: 1234.5678)
        folder.write(sign)
        #expect(folder.read(rank: 2) == sign)
        (sign.still, sign.count) = (0, 2)
        folder.write(sign)
        #expect(folder.read(rank: 2) == sign)
        #expect(folder.read(rank: 1) == nil)
        folder.renew()
        #expect(folder.read(rank: 2) == nil)
        folder.remove()
        #expect(try !Files.exists(folder.path))
    }

    @Test func aHeartbeatShowsPhaseStepAndProgress() {
        let heartbeat = Heartbeat(calls: CallCounter())
        for phase in Heartbeat.Phase.allCases {
            let before = heartbeat.sign.progress
            heartbeat.enter(phase, step: 7)
            let sign = heartbeat.sign
            #expect(sign.phase == phase && sign.step == 7 && sign.progress != before && !sign.isInMPI)
        }
        let before = heartbeat.sign
        heartbeat.enter(.saving)
        #expect(heartbeat.sign.step == 7 && heartbeat.sign != before)
    }
}
