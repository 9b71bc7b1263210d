import CPlatform
import Glibc
import Synchronization

/// The signals that ask a run to stop: caught as long as one of these lives, so that the run is saved first.
///
/// A process has one set of them. A signal that was ignored when the program started stays so (`nohup`), and a second
/// SIGINT ends the process at once.
public final class StopSignals: Sendable {
    private static let numbers = [SIGUSR1, SIGUSR2, SIGTERM, SIGHUP, SIGINT]

    /// How many of these live, and what is caught for them.
    private static let held = Mutex<(count: Int, caught: [Int32])>((0, []))

    /// Catches them from now on. What came before is forgotten, unless another of these was there to hear it.
    public init() {
        Self.held.withLock { held in
            held.count += 1
            guard held.count == 1 else { return }
            fpdm_signal_forget()
            held.caught = Self.numbers.filter { fpdm_signal_catch($0, $0 == SIGINT ? 1 : 0) != 0 }
        }
    }

    /// The last one gives signals back what they did before.
    deinit {
        Self.held.withLock { held in
            held.count -= 1
            guard held.count == 0 else { return }
            for number in held.caught { fpdm_signal_release(number) }
        }
    }

    /// The first that came; nil while none has.
    var caught: Int32? {
        let number = fpdm_signal_caught()
        return number == 0 ? nil : number
    }
}
