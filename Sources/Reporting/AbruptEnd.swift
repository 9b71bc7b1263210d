import Glibc

/// The end of a process that cannot go on and cannot ask other ranks: the launcher ends those.
package enum AbruptEnd {
    /// Writes one line to standard error, and ends with the program's own exit code. From any thread.
    package static func saying(_ message: String) -> Never {
        let line = Array("fpdm: error: \(message)\n".utf8)
        _ = line.withUnsafeBytes { write(STDERR_FILENO, $0.baseAddress, $0.count) }
        _exit(Failure.Status.software.rawValue)
    }

    /// Where the operating system gives no memory, or no thread. What is planned was found to fit before, so this is rare: a
    /// node that commits no more memory than it has, a limit that others use up.
    ///
    /// - Parameters:
    ///   - what: as it follows "cannot".
    ///   - code: of `errno`.
    package static func refused(_ what: String, _ code: Int32, remedy: String) -> Never {
        saying(refusal(what, code, remedy: remedy))
    }

    static func refusal(_ what: String, _ code: Int32, remedy: String) -> String {
        "cannot \(what): \(String(cString: strerror(code))); \(remedy)"
    }
}
