import Foundation
import Storage

/// A copy of a data set in another folder, such as one on a node's own disk.
///
/// It lies in a folder of its own, whose name follows from what is copied: `FOLDER/NAME-1a2b3c4d/NAME-00000-of-...`. So
/// data sets of one name do not meet, and one that is there already is found.
public struct DatasetCopy {
    /// The base path of the copy.
    public let path: String
    /// Bytes of all its files.
    public let bytes: Int

    private let dataset: ShardedDataset
    private let folder: String
    /// Of `folder`.
    private let home: String
    private let files: [(name: String, size: Int)]

    /// - Parameters:
    ///   - dataset: the one to be copied; images are read only where files hold no digests.
    ///   - folder: absolute; made if need be.
    /// - Throws: `StorageError` or ``DatasetError`` if the data set cannot be read.
    public init(of dataset: ShardedDataset, in folder: String) throws {
        (self.dataset, self.folder) = (dataset, folder)
        let name = dataset.name
        // Whatever else stands beside them, under however similar a name, is a person's.
        let owned = dataset.shardPaths + [name.whole]
        let wanted = Set((owned + owned.map(HDF5Digest.path)).map(Files.lastPart))
        files = try Files.names(in: name.folder).filter {
            try wanted.contains($0) && !Files.isDirectory("\(name.folder)/\($0)")
        }.map { ($0, try Files.size(of: "\(name.folder)/\($0)")) }
        bytes = files.reduce(0) { $0 + $1.size }
        let identity =
            "\(try dataset.fingerprint()); \(dataset.layout); "
            + files.map { "\($0.name) \($0.size)" }.joined(separator: ", ")
        let crc = Array(identity.utf8).withUnsafeBytes { CRC32C.of($0) }
        home = "\(name.name)-\(crc.hex)"
        path = "\(folder)/\(home)/\(name.name)"
    }

    private var target: String { "\(folder)/\(home)" }
    private var work: String { "\(folder)/.partial-\(home)" }

    /// Makes the copy, unless it is there; waits for another process that is just making it.
    ///
    /// - Parameters:
    ///   - patience: how long to wait where that process's copy does not grow.
    ///   - waiting: is called once, if it waits.
    ///   - progress: is told of bytes copied so far.
    /// - Returns: whether anything had to be copied.
    /// - Throws: `StorageError`: there is not enough space, or files cannot be read or written, or that process stands
    ///   still (`.exists`); then nothing is left.
    public func make(
        patience: Duration = .seconds(600), waiting: () -> Void, progress: (Int) -> Void
    ) throws -> Bool {
        // Without the lock, whose file could not be made where nothing may be written: nobody touches a sound copy.
        if try isThere() { return false }
        try AtomicFile.createDirectory(folder)
        let lock = try claim(patience, waiting)
        defer { withExtendedLifetime(lock) {} }
        // The lock is ours: whoever made that is gone.
        try AtomicFile.removeTree(work)
        if try isThere() { return false }
        if try Files.exists(target) {
            try AtomicFile.rename(from: target, to: work)
            try AtomicFile.removeTree(work)
        }
        try requireSpace()
        do {
            try AtomicFile.createDirectory(work, exclusive: true)
            var done = 0
            for file in files {
                try Files.copy("\(dataset.name.folder)/\(file.name)", to: "\(work)/\(file.name)") {
                    done += $0
                    progress(done)
                }
            }
            try AtomicFile.syncDirectory(work)
            try AtomicFile.rename(from: work, to: target)
            try AtomicFile.syncDirectory(folder)
            try AtomicFile.removeTree(CopiedFrom.mark(ofCopy: path))
        } catch {
            try? AtomicFile.removeTree(work)
            throw error
        }
        return true
    }

    private func claim(_ patience: Duration, _ waiting: () -> Void) throws -> FileLock {
        let path = "\(folder)/.lock-\(home)"
        func attempt() throws -> FileLock? {
            let lock = try FileLock(path)
            if lock != nil { Self.sign(path) }
            return lock
        }
        if let lock = try attempt() { return lock }
        waiting()
        let clock = ContinuousClock()
        var (copied, deadline) = (copiedBytes, clock.now + patience)
        while true {
            usleep(250_000)
            if let lock = try attempt() { return lock }
            guard clock.now >= deadline else { continue }
            let now = copiedBytes
            guard now != copied else { break }
            (copied, deadline) = (now, clock.now + patience)
        }
        throw StorageError(
            .exists, path,
            "\(Self.holder(of: path)) holds this lock, and its copy of \(dataset.name.base) has not grown for "
                + "\(patience.components.seconds) s: see what keeps it, or end it, and try again; or choose another folder "
                + "(data.stage)")
    }

    /// Of the copy that is just being made.
    private var copiedBytes: Int { files.reduce(0) { $0 + ((try? Files.size(of: "\(work)/\($1.name)")) ?? 0) } }

    /// Says in the lock's file who holds it, for those who wait for too long.
    private static func sign(_ path: String) {
        var host = [CChar](repeating: 0, count: 256)
        guard gethostname(&host, host.count - 1) == 0, let file = fopen(path, "w") else { return }
        let name = String(decoding: host.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
        fputs("process \(getpid()) on \(name)\n", file)
        fclose(file)
    }

    private static func holder(of path: String) -> String {
        if let holder = FileLock.holder(of: path) { return holder }
        let text = (try? Files.readRegular(path)).map { String(decoding: $0, as: UTF8.self) } ?? ""
        return text.split(separator: "\n").first.map(String.init) ?? "another process"
    }

    /// Whether the copy can be taken as it is.
    private func isThere() throws -> Bool {
        try Files.exists(target) && !Files.exists(CopiedFrom.mark(ofCopy: path)) && isSound
    }

    /// Whether all files are there, as long as they should be, and tell of the same samples in the same chunks. The
    /// samples' own digests are checked when they are read: a data set for which one has a copy takes minutes to read.
    private var isSound: Bool {
        guard files.allSatisfy({ (try? Files.size(of: "\(target)/\($0.name)")) == $0.size }),
            let copy = try? ShardedDataset(path: path), copy.layout == dataset.layout,
            let fingerprint = try? copy.fingerprint()
        else { return false }
        return fingerprint == (try? dataset.fingerprint())
    }

    private func requireSpace() throws {
        guard let available = Files.availableBytes(at: folder), available < bytes else { return }
        func inWords(_ bytes: Int) -> String { bytes >= 10 << 20 ? "\(bytes >> 20) MiB" : "\(bytes >> 10) KiB" }
        throw StorageError(
            .io, folder,
            "a copy of \(dataset.name.base) takes \(inWords(bytes)), and this disk has \(inWords(available)) free: free "
                + "some space, or choose a folder on another disk")
    }
}
