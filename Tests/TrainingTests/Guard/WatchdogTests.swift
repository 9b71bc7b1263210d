import Distributed
import Glibc
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
        _ rank: Int = 0, isWaiting: Bool = true, still: Double, patience: Double = 1, sight: Suspicion.Sight = .clear,
        _ others: [Observation]
    ) -> Suspicion? {
        Suspicion.verdict(
            rank: rank, isWaiting: isWaiting, still: still, patience: patience, sight: sight, others: others,
            limit: 100)
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

    @Test func aRankThatNeverShowedASignIsSuspectWhereOthersCould() {
        let never = [Observation(pulse: nil, silent: 0), Observation(pulse: nil, silent: 45)]
        #expect(verdict(still: 101, never) == .silent([1]))
        // Where this rank cannot write its own, others may not be able to either: MPI is stuck, or somebody is slow.
        #expect(verdict(still: 119, sight: .dim, never) == nil)
        #expect(verdict(still: 121, sight: .dim, never) == .stuck)
        #expect(verdict(still: 1019, patience: 10, sight: .dim, never) == nil)
        #expect(verdict(still: 1021, patience: 10, sight: .dim, never) == .stuck)
    }

    @Test func whatIsSyncedIsGivenTime() {
        let others = [
            Observation(pulse: pulse(0), silent: 0), Observation(pulse: pulse(1, isWaiting: true), silent: 1),
        ]
        let patience = Heartbeat.Phase.saving.patience(limit: 100)
        #expect(verdict(isWaiting: false, still: 999, patience: patience, others) == nil)
        #expect(verdict(isWaiting: false, still: 1000, patience: patience, others) == .itself)
        for phase in Heartbeat.Phase.allCases where !phase.isBeforeSteps && phase != .saving {
            #expect(phase.patience(limit: 100) == 1)
        }
        // A folder's lock is waited for for a minute, a copy for any time.
        #expect(6 * Heartbeat.Phase.starting.patience(limit: 6) > 60)
        #expect(Heartbeat.Phase.staging.patience(limit: 6) == .infinity)
    }

    @Test func aFileSystemThatDoesNotAnswerAccusesNobody() {
        let dead = [Observation](repeating: Observation(pulse: pulse(1), silent: 500, isLost: true), count: 2)
        #expect(verdict(still: 999, sight: .none, dead) == nil)
        #expect(verdict(still: 1001, sight: .none, dead) == .blind)
    }

    @Test func aRankIsMissedByWhoHasWorkOfItsOwn() {
        let others = [
            Observation(pulse: pulse(0), silent: 0), Observation(pulse: pulse(1), silent: 130, isLost: true),
        ]
        #expect(verdict(isWaiting: false, still: 0, others) == .lost(1))
        #expect(verdict(isWaiting: false, still: 0, sight: .dim, others) == nil)
        // Not by itself.
        #expect(verdict(1, isWaiting: false, still: 0, others) == nil)
    }

    /// A look each second, at a pulse that is another every so many.
    private func sighting(every period: Double, looks: Int = 50) -> (Sighting, now: Double) {
        var sighting = Sighting(interval: 1)
        var sign = pulse(1)
        for second in 0..<looks {
            sign.count = UInt64(Double(second) / period)
            sighting.look(sign, now: 1000 + Double(second))
        }
        return (sighting, 1000 + Double(looks - 1))
    }

    @Test func whoeverStopsShowingIsLostAfterTheLimit() {
        var (sighting, now) = sighting(every: 1)
        let last = sighting.pulse
        for _ in 0..<19 {
            now += 1
            sighting.look(last, now: now)
            #expect(!sighting.isLost(limit: 16))
        }
        sighting.look(last, now: now + 1)
        #expect(sighting.isLost(limit: 16) && sighting.silent == 20)
        // One that comes back lives.
        var next = pulse(1)
        next.count = 4711
        sighting.look(next, now: now + 2)
        #expect(!sighting.isLost(limit: 16) && sighting.silent == 0)
    }

    @Test func aFileSystemThatKeepsSignsBackIsWaitedForLonger() {
        // It shows what was written after 40 s, of a limit of 16.
        var (sighting, now) = sighting(every: 40, looks: 121)
        let last = sighting.pulse
        for second in 1..<80 {
            sighting.look(last, now: now + Double(second))
            #expect(!sighting.isLost(limit: 16))
        }
        sighting.look(last, now: now + 80)
        #expect(sighting.isLost(limit: 16))
        // One that never showed two signs tells nothing of the rank.
        (sighting, now) = self.sighting(every: 1000)
        sighting.look(sighting.pulse, now: now + 1)
        #expect(!sighting.isLost(limit: 16))
    }

    @Test func looksThatDidNotComeTellNothingOfTheOther() {
        // All ranks are suspended, and this one wakes first.
        var (sighting, now) = sighting(every: 1)
        let last = sighting.pulse
        now += 500
        for second in 0..<20 {
            sighting.look(last, now: now + Double(second))
            #expect(sighting.silent == Double(second) && !sighting.isLost(limit: 16))
        }
    }

    @Test func signsOfAStartLieBesideTheRun() throws {
        let runs = try TestFolder()
        let run = runs.path + "/digits"
        let folder = try #require(PulseFolder.make(beside: run + "/", host: "n1"))
        #expect(Files.folder(of: folder.path) == runs.path)
        let sign = pulse(0)
        #expect(folder.write(sign) && folder.read(rank: 0) == sign)
        // Another's is left, unless it is of another day.
        let other = "\(runs.path)/.digits.starting-n2-1"
        try AtomicFile.createDirectory(other)
        folder.remove()
        let second = try #require(PulseFolder.make(beside: run, host: "n1"))
        #expect(try Files.exists(other) && !Files.exists(run))
        second.remove()
        var times = [timeval](repeating: timeval(tv_sec: time(nil) - 100_000, tv_usec: 0), count: 2)
        utimes(other, &times)
        try #require(PulseFolder.make(beside: run, host: "n1")).remove()
        #expect(try Files.names(in: runs.path) == [])
        #expect(PulseFolder.make(beside: runs.path + "/none/digits", host: "n1") == nil)
        #expect(!PulseFolder(runs.path + "/none").write(sign))
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
        #expect(!folder.write(pulse(2)))
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
