import Glibc
import Reporting

/// The end of a process to which the operating system gives no more memory, or no more threads.
///
/// What is planned was found to fit before (`MemoryLimit`), so this is rare: a node that commits no more memory than it
/// has, a limit that others use up. Nothing can go on from there, and other ranks cannot be asked: the launcher ends them.
enum SystemRefusal {
    /// - Parameters:
    ///   - what: as it follows "cannot".
    ///   - code: of `errno`.
    static func end(_ what: String, _ code: Int32, remedy: String) -> Never {
        let line = Array("fpdm: error: cannot \(what): \(String(cString: strerror(code))); \(remedy)\n".utf8)
        _ = line.withUnsafeBytes { write(STDERR_FILENO, $0.baseAddress, $0.count) }
        _exit(Failure.Status.software.rawValue)
    }
}
