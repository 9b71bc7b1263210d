import Glibc

/// Standard input, output and error as the program may find them: closed, full, or a pipe that nobody reads.
enum StandardStreams {
    /// Makes them safe to use; the first thing that the program does.
    ///
    /// A descriptor that is closed is given to the next file opened, and messages would be written into a checkpoint.
    /// So each closed one is opened on a file that refuses what the stream is for, with EBADF (as glibc does for
    /// privileged programs, csu/check_fds.c). A pipe without a reader fails with EPIPE instead of ending the program.
    static func prepare() {
        signal(SIGPIPE, SIG_IGN)
        for (descriptor, mode) in [(STDIN_FILENO, O_WRONLY), (STDOUT_FILENO, O_RDONLY), (STDERR_FILENO, O_RDONLY)]
        where fcntl(descriptor, F_GETFD) == -1 {
            // In this order each gets the lowest free number, its own.
            _ = open("/dev/null", mode)
        }
    }

    /// Writes all of a text with as few system calls as it takes, usually one.
    /// - Returns: nil, or the `errno` of the failure.
    fileprivate static func write(_ text: String, to descriptor: Int32) -> Int32? {
        var text = text
        return text.withUTF8 { bytes in
            var rest = UnsafeRawBufferPointer(bytes)[...]
            while !rest.isEmpty {
                let count = Glibc.write(descriptor, UnsafeRawBufferPointer(rebasing: rest).baseAddress, rest.count)
                if count >= 0 {
                    rest = rest.dropFirst(count)
                } else if errno == EAGAIN {
                    // Another program that shares the terminal or pipe has made it non-blocking.
                    var ready = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
                    poll(&ready, 1, -1)
                } else if errno != EINTR {
                    return errno
                }
            }
            return nil
        }
    }
}

/// Standard error. What cannot be written is lost: nothing ends for want of a log.
struct StandardError: TextOutputStream, Sendable {
    func write(_ text: String) { _ = StandardStreams.write(text, to: STDERR_FILENO) }
}

/// Standard output, which holds results: that one was lost is remembered.
enum StandardOutput {
    nonisolated(unsafe) private static var failure: Int32?
    nonisolated(unsafe) private static var isUsed = false

    static func write(_ text: String) {
        isUsed = true
        // After a gap nothing more is written: what is there shall be the beginning of the result.
        if failure == nil { failure = StandardStreams.write(text, to: STDOUT_FILENO) }
    }

    /// The `errno` of the first failure, nil if everything written has arrived.
    static func firstFailure() -> Int32? {
        // Network file systems report a full disk when a descriptor is closed; a copy does (close(2)).
        if isUsed, failure == nil, close(dup(STDOUT_FILENO)) != 0 { failure = errno }
        return failure
    }
}

/// Prints to standard output. It hides Swift's function of this name, whose failures nobody learns of.
func print(_ items: Any..., separator: String = " ", terminator: String = "\n") {
    StandardOutput.write(items.map { "\($0)" }.joined(separator: separator) + terminator)
}
