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
            let caught = StopSignals.catchAll()
            defer { StopSignals.release(caught) }
            #expect(StopSignals.caught == nil)
            send(number)
            #expect(StopSignals.caught == number)
            send(number == SIGUSR1 ? SIGUSR2 : SIGUSR1)
            #expect(StopSignals.caught == number)
        }
    }

    @Test func whatIsIgnoredStaysSo() {
        let former = signal(SIGHUP, SIG_IGN)
        defer { signal(SIGHUP, former) }
        let caught = StopSignals.catchAll()
        #expect(!caught.contains(SIGHUP) && caught.contains(SIGTERM))
        send(SIGHUP)
        #expect(StopSignals.caught == nil)
        StopSignals.release(caught)
    }

    @Test func signalsDoAgainWhatTheyDid() {
        signal(SIGUSR2, SIG_DFL)
        StopSignals.release(StopSignals.catchAll())
        var present = sigaction()
        sigaction(SIGUSR2, nil, &present)
        #expect(unsafeBitCast(present.__sigaction_handler.sa_handler, to: Int.self) == 0)
    }

    @Test func aSecondInterruptIsNotCaught() {
        let caught = StopSignals.catchAll()
        defer { StopSignals.release(caught) }
        send(SIGINT)
        var present = sigaction()
        sigaction(SIGINT, nil, &present)
        #expect(unsafeBitCast(present.__sigaction_handler.sa_handler, to: Int.self) == 0)
    }
}
