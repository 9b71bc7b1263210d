import CPlatform
import Glibc

/// A thread of the operating system, to be waited for. Where the system gives none, that is said: Foundation's threads are
/// then missing in silence, and whoever waits for what they do waits for ever.
package struct SystemThread: @unchecked Sendable {
    private let handle: pthread_t

    /// Bytes of addresses that a thread's stack takes, whatever `ulimit -s` says.
    package static let stackBytes = 8 << 20

    /// - Parameters:
    ///   - name: of which the system shows 15 bytes.
    ///   - body: is let go once it has ended.
    /// - Throws: why there is no such thread.
    package init(_ name: String, _ body: @escaping @Sendable () -> Void) throws(Failure) {
        var attributes = pthread_attr_t()
        pthread_attr_init(&attributes)
        defer { pthread_attr_destroy(&attributes) }
        pthread_attr_setstacksize(&attributes, Self.stackBytes)
        let work = Unmanaged.passRetained(Work(name, body))
        var handle = pthread_t()
        let code = pthread_create(
            &handle, &attributes,
            { argument in
                // The caller's reference; unwrapped, for a thread is never started without one.
                let work = Unmanaged<Work>.fromOpaque(argument!).takeRetainedValue()
                fpdm_name_thread(work.name)
                work.body()
                return nil
            }, work.toOpaque())
        guard code == 0 else {
            work.release()
            throw Failure(
                .software,
                AbruptEnd.refusal(
                    "start a thread, '\(name)'", code,
                    remedy: "ask for fewer threads, or raise what limits them (ulimit -u, ulimit -v)"))
        }
        self.handle = handle
    }

    private final class Work {
        let name: String
        let body: @Sendable () -> Void
        init(_ name: String, _ body: @escaping @Sendable () -> Void) { (self.name, self.body) = (name, body) }
    }

    /// Returns once its body has ended; to be called once.
    package func join() { pthread_join(handle, nil) }

    /// Runs a body on a thread that nobody waits for. Ends this process where there is no such thread: that is beside what
    /// ranks have agreed on.
    package static func detach(_ name: String, _ body: @escaping @Sendable () -> Void) {
        do {
            pthread_detach(try SystemThread(name, body).handle)
        } catch {
            AbruptEnd.saying(error.description)
        }
    }
}
