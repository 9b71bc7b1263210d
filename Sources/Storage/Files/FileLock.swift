import Foundation

/// An exclusive claim on something, for as long as this object lives: a lock on a file, which the operating system
/// gives up when the process ends, however it ends (`flock`).
///
/// Some file systems give no locks (Lustre mounted without `flock`, NFS without its lock daemon): there a file with a
/// heartbeat stands in (``HeldFile``).
public final class FileLock: @unchecked Sendable {
    private enum Claim {
        case system(descriptor: Int32)
        case standIn(HeldFile)
    }
    private let claim: Claim

    /// - Parameter path: a file that is made if need be, and left there; `PATH.held` stands in for its lock.
    /// - Returns: nil if another process holds the lock.
    /// - Throws: `StorageError`, `.io` or `.missing`, if the file cannot be made.
    public init?(_ path: String) throws {
        let descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o666)
        guard descriptor >= 0 else { throw StorageError.system(errno, "create", path) }
        if flock(descriptor, LOCK_EX | LOCK_NB) == 0 {
            claim = .system(descriptor: descriptor)
            return
        }
        let reason = errno
        _ = Glibc.close(descriptor)
        switch reason {
        case EWOULDBLOCK: return nil
        case ENOLCK, ENOSYS, EOPNOTSUPP:
            guard let file = try HeldFile(Self.standIn(for: path)) else { return nil }
            claim = .standIn(file)
        default: throw StorageError.system(reason, "lock", path)
        }
    }

    deinit {
        if case .system(let descriptor) = claim { _ = Glibc.close(descriptor) }
    }

    /// What a person should know of this lock; nil of one that the operating system keeps.
    public var warning: String? {
        guard case .standIn(let file) = claim else { return nil }
        return "\(file.path): this file system gives no locks, and this file stands in for one; it is removed at the "
            + "end. After a kill, another host waits until it has not been touched for "
            + "\(Int(HeldFile.staleAfter)) s"
    }

    /// Whether the claim stands still. One of the operating system always does; a file that stands in is lost if
    /// this process is stopped for so long that another takes it for dead.
    public var isHeld: Bool {
        switch claim {
        case .system: true
        case .standIn(let file): file.isHeld
        }
    }

    /// Who holds a lock that a file stands in for, as it follows "held by"; nil where none does.
    public static func holder(of path: String) -> String? { HeldFile.holder(of: standIn(for: path)) }

    private static func standIn(for path: String) -> String { "\(path).held" }
}
