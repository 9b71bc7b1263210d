import Foundation

/// An exclusive claim on something, for as long as this object lives: a lock on a file, which the operating system
/// gives up when the process ends, however it ends (`flock`).
public final class FileLock: @unchecked Sendable {
    private let descriptor: Int32

    /// - Parameter path: a file that is made if need be, and left there.
    /// - Returns: nil if another process holds the lock.
    /// - Throws: `StorageError`, `.io` or `.missing`, if the file cannot be made.
    public init?(_ path: String) throws {
        let descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o666)
        guard descriptor >= 0 else { throw StorageError.system(errno, "create", path) }
        guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
            let reason = errno
            _ = Glibc.close(descriptor)
            if reason == EWOULDBLOCK { return nil }
            throw StorageError.system(reason, "lock", path)
        }
        self.descriptor = descriptor
    }

    deinit { _ = Glibc.close(descriptor) }
}
