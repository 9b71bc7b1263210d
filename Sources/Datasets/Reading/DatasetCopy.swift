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
        // Whatever else belongs to a shard stands beside it, under a longer name.
        let owners = (dataset.shardPaths + [name.whole]).map(Files.lastPart)
        files = try Files.names(in: name.folder).filter { file in owners.contains { file.hasPrefix($0) } }.map {
            ($0, try Files.size(of: "\(name.folder)/\($0)"))
        }
        bytes = files.reduce(0) { $0 + $1.size }
        let identity =
            "\(try dataset.fingerprint()); \(dataset.layout); "
            + files.map { "\($0.name) \($0.size)" }.joined(separator: ", ")
        let crc = Array(identity.utf8).withUnsafeBytes { CRC32C.of($0) }
        home = "\(name.name)-\(crc.hex)"
        path = "\(folder)/\(home)/\(name.name)"
    }

    /// Makes the copy, unless it is there; waits for another process that is just making it.
    ///
    /// - Parameters:
    ///   - waiting: is called once, if it waits.
    ///   - progress: is told of bytes copied so far.
    /// - Returns: whether anything had to be copied.
    /// - Throws: `StorageError`: there is not enough space, or files cannot be read or written; then nothing is left.
    public func make(waiting: () -> Void, progress: (Int) -> Void) throws -> Bool {
        try AtomicFile.createDirectory(folder)
        let lock = try claim(waiting)
        defer { withExtendedLifetime(lock) {} }
        let target = "\(folder)/\(home)"
        let work = "\(folder)/.partial-\(home)"
        // The lock is ours: whoever made that is gone.
        try AtomicFile.removeTree(work)
        if try Files.exists(target) {
            if isSound { return false }
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
        } catch {
            try? AtomicFile.removeTree(work)
            throw error
        }
        return true
    }

    private func claim(_ waiting: () -> Void) throws -> FileLock {
        var isTold = false
        while true {
            if let lock = try FileLock("\(folder)/.lock-\(home)") { return lock }
            if !isTold { waiting() }
            isTold = true
            usleep(250_000)
        }
    }

    /// Whether all files are there, as long as they should be, and tell of the same samples in the same chunks. The
    /// samples' own digests are checked when they are read.
    private var isSound: Bool {
        let target = "\(folder)/\(home)"
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
