import Foundation
import Reporting

/// Work on a thread of its own, whose end another thread looks at or waits for.
///
/// The thread holds what the work holds until it has ended. Work that was not waited for would run on while the process
/// ends: whoever begins it waits for it.
final class BackgroundTask<Value: Sendable>: @unchecked Sendable {
    private let condition = NSCondition()
    /// Under the condition's lock.
    private var ending: Result<Value, any Error>?

    init(_ name: String, _ work: @escaping @Sendable () throws -> Value) {
        SystemThread.detach(name) { [self] in
            let result = Result { try work() }
            condition.lock()
            ending = result
            condition.broadcast()
            condition.unlock()
        }
    }

    /// What came of it; nil while it goes on.
    var result: Result<Value, any Error>? {
        condition.lock()
        defer { condition.unlock() }
        return ending
    }

    /// What came of it, once it has ended.
    func wait() -> Result<Value, any Error> {
        condition.lock()
        defer { condition.unlock() }
        while true {
            if let ending { return ending }
            condition.wait()
        }
    }
}
