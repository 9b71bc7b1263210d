import Foundation
import Reporting

/// Does something again and again on a thread of its own, until it is stopped.
package final class Ticker: @unchecked Sendable {
    private let condition = NSCondition()
    /// Read and written under the condition's lock.
    private var isStopped = false

    /// - Parameters:
    ///   - interval: seconds before each round.
    ///   - body: one round.
    package init(_ name: String, every interval: Double, _ body: @escaping @Sendable () -> Void) {
        // The thread holds the object until it has ended.
        SystemThread.detach(name) { [self] in
            while waits(interval) { body() }
        }
    }

    /// Ends it, without waiting for a round that is under way.
    package func stop() {
        condition.lock()
        isStopped = true
        condition.broadcast()
        condition.unlock()
    }

    /// Whether the time passed without a stop.
    private func waits(_ seconds: Double) -> Bool {
        let end = Date(timeIntervalSinceNow: seconds)
        condition.lock()
        defer { condition.unlock() }
        while !isStopped, condition.wait(until: end) {}
        return !isStopped
    }
}
