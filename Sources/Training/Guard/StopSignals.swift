import CPlatform
import Glibc

/// The signals that ask a run to stop: caught while it trains, so that it is saved first.
///
/// A process has one set of them. A signal that was ignored when the program started stays so (`nohup`), and a second
/// SIGINT ends the process at once.
enum StopSignals {
    private static let numbers = [SIGUSR1, SIGUSR2, SIGTERM, SIGHUP, SIGINT]

    /// Catches them from now on. What came before is forgotten.
    ///
    /// - Returns: those that were caught, to be given back.
    static func catchAll() -> [Int32] {
        fpdm_signal_forget()
        return numbers.filter { fpdm_signal_catch($0, $0 == SIGINT ? 1 : 0) != 0 }
    }

    /// Gives them back what they did before.
    static func release(_ numbers: [Int32]) {
        for number in numbers { fpdm_signal_release(number) }
    }

    /// The first that came; nil while none has.
    static var caught: Int32? {
        let number = fpdm_signal_caught()
        return number == 0 ? nil : number
    }
}
