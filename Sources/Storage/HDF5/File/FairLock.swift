import Foundation

/// A recursive lock that threads get in the order of their asking.
///
/// An ordinary mutex goes, as a rule, to the thread that has just released it: a checkpoint's writer, which holds
/// the lock piece by piece, would keep the data set's reader waiting to its end.
final class FairLock: @unchecked Sendable {
    private let condition = NSCondition()
    private var nextTicket = 0
    private var served = 0
    private var owner: pthread_t?
    private var depth = 0

    func withLock<Result>(_ body: () throws -> Result) rethrows -> Result {
        lock()
        defer { unlock() }
        return try body()
    }

    private func lock() {
        condition.lock()
        defer { condition.unlock() }
        if let owner, pthread_equal(owner, pthread_self()) != 0 {
            depth += 1
            return
        }
        let ticket = nextTicket
        nextTicket += 1
        while served != ticket { condition.wait() }
        owner = pthread_self()
        depth = 1
    }

    private func unlock() {
        condition.lock()
        defer { condition.unlock() }
        depth -= 1
        guard depth == 0 else { return }
        owner = nil
        served += 1
        if served != nextTicket { condition.broadcast() }
    }

    /// How many threads hold the lock or wait for it.
    var tickets: Int {
        condition.lock()
        defer { condition.unlock() }
        return nextTicket - served
    }
}
