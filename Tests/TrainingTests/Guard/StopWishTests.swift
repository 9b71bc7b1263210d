import Glibc
import Testing

@testable import Training

/// What asks a run to stop, and how it gets about.
@Suite struct StopWishTests {
    private static let causes: [StopWish.Cause] = [
        .timeIsUp, .signal(SIGUSR1), .signal(SIGUSR2), .signal(SIGTERM), .signal(SIGHUP), .signal(SIGINT), .signal(64),
    ]

    @Test func aWishComesBackFromItsNumber() {
        for ranks in [1, 2, 3, 48, 4096] {
            for rank in Set([0, ranks / 2, ranks - 1]) {
                for cause in Self.causes {
                    let wish = StopWish(rank: rank, cause: cause)
                    #expect(StopWish(number: wish.number(ranks: ranks), ranks: ranks) == wish)
                }
            }
        }
        #expect(StopWish(number: -.infinity, ranks: 3) == nil)
        #expect(StopWish(number: 0, ranks: 3) == nil)
    }

    @Test func theLowestRankIsTheGreatestNumber() {
        let first = Self.causes.map { StopWish(rank: 1, cause: $0).number(ranks: 3) }
        let second = Self.causes.map { StopWish(rank: 2, cause: $0).number(ranks: 3) }
        #expect(first.min()! > second.max()!)
    }

    @Test func aPersonIsToldSignalRankAndHost() {
        #expect(StopWish(rank: 2, cause: .signal(SIGUSR1)).description(host: "n7") == "SIGUSR1 on rank 2 (n7)")
        #expect(StopWish(rank: 0, cause: .timeIsUp).description(host: "n7") == "the time is nearly up")
        let named = [SIGUSR1, SIGUSR2, SIGTERM, SIGHUP, SIGINT].map { StopWish.name(ofSignal: $0) }
        #expect(named == ["SIGUSR1", "SIGUSR2", "SIGTERM", "SIGHUP", "SIGINT"])
    }
}

/// Signals of this process: one test at a time.
@Suite(.serialized) struct StopSignalsTests {
    /// To the calling thread, as it may block signals by itself: its answer is there when this returns.
    private func send(_ number: Int32) {
        var (mask, former) = (sigset_t(), sigset_t())
        sigemptyset(&mask)
        sigaddset(&mask, number)
        pthread_sigmask(SIG_UNBLOCK, &mask, &former)
        raise(number)
        pthread_sigmask(SIG_SETMASK, &former, nil)
    }

    @Test func theFirstSignalIsKeptAndThenForgotten() {
        for number in [SIGUSR1, SIGUSR2, SIGTERM, SIGHUP, SIGINT] {
            let signals = StopSignals()
            #expect(signals.caught == nil)
            send(number)
            #expect(signals.caught == number)
            send(number == SIGUSR1 ? SIGUSR2 : SIGUSR1)
            #expect(signals.caught == number)
        }
    }

    @Test func whatIsIgnoredStaysSo() {
        let former = signal(SIGHUP, SIG_IGN)
        defer { signal(SIGHUP, former) }
        let signals = StopSignals()
        send(SIGHUP)
        #expect(signals.caught == nil)
        send(SIGTERM)
        #expect(signals.caught == SIGTERM)
    }

    @Test func signalsDoAgainWhatTheyDid() {
        signal(SIGUSR2, SIG_DFL)
        func isCaught() -> Bool {
            var present = sigaction()
            sigaction(SIGUSR2, nil, &present)
            return unsafeBitCast(present.__sigaction_handler.sa_handler, to: Int.self) != 0
        }
        // One run after another in a process; and one inside of what catches them for all of it, which hears what came
        // before the run.
        for _ in 0..<2 {
            var outer: StopSignals? = StopSignals()
            send(SIGUSR2)
            do {
                let inner = StopSignals()
                #expect(inner.caught == SIGUSR2)
            }
            #expect(outer != nil && isCaught())
            outer = nil
            #expect(!isCaught())
        }
        let next = StopSignals()
        #expect(next.caught == nil)
    }

    @Test func aSecondInterruptIsNotCaught() {
        let signals = StopSignals()
        send(SIGINT)
        var present = sigaction()
        sigaction(SIGINT, nil, &present)
        #expect(signals.caught == SIGINT)
        #expect(unsafeBitCast(present.__sigaction_handler.sa_handler, to: Int.self) == 0)
    }
}
