import Foundation
import Synchronization

/// A claim by a file that exists, where the file system gives no locks.
///
/// Making a file that must not exist is exclusive on every file system. It says who holds it, and a thread touches it
/// every few seconds. It is removed when this object goes, or the process ends in good order. One that was left behind is
/// taken over: at once where its process was of this host and is dead, and elsewhere after it has not been touched for
/// ``staleAfter``, by the file system's own clock, and is not while it is watched.
final class HeldFile: Sendable {
    /// Seconds between two touches.
    private static let beat = 5.0
    /// Seconds without a touch after which the holder is taken for dead: many beats, for file servers stall; less than a
    /// run waits for its folder.
    static let staleAfter = 40.0

    let path: String
    private let owner: HolderMark
    private let heart: Ticker

    /// - Parameters:
    ///   - path: the file; its folder is there.
    ///   - beat, staleAfter: for tests.
    /// - Returns: nil if another holds it.
    init?(_ path: String, beat: Double = beat, staleAfter: Double = staleAfter) throws {
        self.path = path
        let owner = HolderMark.ofThisProcess()
        self.owner = owner
        if try !Self.make(path, owner) {
            guard try Self.clear(path, beat: beat, staleAfter: staleAfter), try Self.make(path, owner) else {
                return nil
            }
        }
        Self.removeAtExit(path, owner)
        heart = Ticker("file that is held", every: beat) {
            // Touched by the server's clock, and only while it is ours.
            guard HolderMark(at: path) == owner else { return }
            utimensat(AT_FDCWD, path, nil, 0)
        }
    }

    deinit {
        heart.stop()
        Self.held.withLock { _ = $0.removeValue(forKey: path) }
        if isHeld { unlink(path) }
    }

    /// Whether no other process has taken it over.
    var isHeld: Bool { HolderMark(at: path) == owner }

    static func holder(of path: String) -> String? {
        guard let mark = HolderMark(at: path), let age = try? age(of: path) else { return nil }
        return "\(mark), last heard of \(Int(max(age, 0))) s ago; whoever is not for \(Int(staleAfter)) s is taken "
            + "for dead"
    }

    /// Makes the file; false if there is one.
    private static func make(_ path: String, _ owner: HolderMark) throws -> Bool {
        do {
            let file = try OpenFile(creating: path)
            do {
                try Array(owner.text.utf8).withUnsafeBytes { try file.write($0) }
                try file.close()
                return true
            } catch {
                unlink(path)
                throw error
            }
        } catch let error as StorageError where error.kind == .exists {
            return false
        }
    }
}

extension HeldFile {
    /// Removes a file whose holder is dead; whether it is away.
    private static func clear(_ path: String, beat: Double, staleAfter: Double) throws -> Bool {
        guard let age = try age(of: path) else { return true }
        let mark = HolderMark(at: path)
        let isAlive = mark?.isAlive
        if isAlive == true { return false }
        if isAlive == nil {
            guard age > staleAfter else { return false }
            // A file server that stalled may bring late touches.
            usleep(UInt32(2 * beat * 1_000_000))
            guard let later = try Self.age(of: path) else { return true }
            guard later >= age + beat else { return false }
        }
        // Of several that come to this end, one removes: another's new file must not be taken for the old one.
        let right = "\(path).clearing"
        let descriptor = open(right, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o666)
        guard descriptor >= 0 else {
            if errno != EEXIST { throw StorageError.system(errno, "create", right) }
            // Left by one that was killed here.
            if let age = try Self.age(of: right), age > staleAfter { unlink(right) }
            return false
        }
        close(descriptor)
        defer { unlink(right) }
        guard HolderMark(at: path) == mark else { return false }
        // One that says nothing may be another's, made a moment ago.
        if try mark == nil && Self.age(of: path).map({ $0 <= staleAfter }) == true { return false }
        if unlink(path) != 0, errno != ENOENT { throw StorageError.system(errno, "remove", path) }
        return true
    }

    /// Seconds since a file was touched, by the clock of its file system; nil if there is no such file.
    private static func age(of path: String) throws -> Double? {
        // Opened, so that network file systems ask their server.
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else {
            if errno == ENOENT { return nil }
            throw StorageError.system(errno, "open for reading", path)
        }
        defer { close(descriptor) }
        var template = Array("\(path).now-XXXXXX".utf8CString)
        let now = mkstemp(&template)
        guard now >= 0 else { throw StorageError.system(errno, "create a file beside it", path) }
        defer {
            close(now)
            unlink(template)
        }
        var (touched, present) = (stat(), stat())
        guard fstat(descriptor, &touched) == 0, fstat(now, &present) == 0 else {
            throw StorageError.system(errno, "examine", path)
        }
        func seconds(_ time: timespec) -> Double { Double(time.tv_sec) + Double(time.tv_nsec) * 1e-9 }
        return seconds(present.st_mtim) - seconds(touched.st_mtim)
    }
}

extension HeldFile {
    /// What this process holds, by path.
    private static let held = Mutex<[String: HolderMark]>([:])

    /// Objects are not torn down when a process ends.
    private static let exitHandler: Void = {
        _ = atexit {
            HeldFile.held.withLock { held in
                for (path, owner) in held where HolderMark(at: path) == owner { unlink(path) }
            }
        }
    }()

    private static func removeAtExit(_ path: String, _ owner: HolderMark) {
        _ = exitHandler
        held.withLock { $0[path] = owner }
    }
}
