import Foundation
import Reporting
import Storage

/// A packing under way, by one process or by several that share its shards.
///
/// All files are made in a hidden folder beside their place, `.packing-NAME`: a shard under a name of its own until it is
/// whole and on the disk. Only when all are there do they take their places, shards last: whenever a packing is stopped,
/// by a kill too, nothing opens as a data set that is not all there, and one that is begun again with the same arguments
/// goes on with the shards that are missing. What the arguments were is recorded. A data set that exists is never replaced.
///
///     let packing = try DatasetPacking(source, to: "data/flowers", PackOptions(shards: 4))
///     try packing.begin()                                         // one process; then the others: join()
///     for shard in try packing.missing() { try packing.pack(shard) }    // each process some of them
///     try packing.finish()                                        // one process, when all are done
public final class DatasetPacking {
    /// What became of it.
    public struct Outcome: Equatable, Sendable {
        /// The data set's files, `NAME.h5` last.
        public let files: [String]
        /// Samples that were packed.
        public let samples: Int
        /// Of each sample that could not be read, why; in order.
        public let leftOut: [String]
    }

    let writer: DatasetWriter
    var name: DatasetName { writer.name }
    /// Where the files are made.
    public let folder: String
    private var lock: FileLock?

    /// Looks at the arguments; touches nothing.
    ///
    /// - Parameters:
    ///   - source: the samples.
    ///   - path: the base path, as in `data/digits`; its folder is made if need be.
    ///   - content: `pixels`, `latents` or `moments`; nil: as the source says.
    /// - Throws: ``DatasetError`` if there are fewer samples than shards.
    public init(
        _ source: any PackSource, to path: String, content: String? = nil, _ options: PackOptions = PackOptions()
    ) throws {
        writer = try DatasetWriter(source, to: path, content: content ?? source.content, options)
        folder = "\(writer.name.folder)/.packing-\(writer.name.name)"
    }

    /// Makes the folder, or takes up the one that is there. By one process, before all else.
    ///
    /// - Throws: `StorageError`, `.exists` if the data set is there, or another process packs it; ``DatasetError`` if what
    ///   was begun has other arguments.
    public func begin() throws {
        try AtomicFile.createDirectory(name.folder)
        if try !Files.exists(folder) { try refuseExisting() }
        try AtomicFile.createDirectory(folder)
        guard let lock = try FileLock("\(folder)/lock") else {
            throw StorageError(.exists, name.base, "is being packed by another process just now; wait for it")
        }
        if try Files.exists(settingsPath), try !isBegunStricter {
            try join()
        } else {
            try AtomicFile.write(settings, to: settingsPath)
        }
        if try !isPlacing { try refuseExisting() }
        for name in try Files.names(in: folder) where name.hasPrefix(".partial-") || name == Self.failureMark {
            try AtomicFile.removeTree("\(folder)/\(name)")
        }
        self.lock = lock
    }

    /// Whether what was begun is the same packing but that it was to leave nothing out, and this one may: its shards are
    /// what this one makes, for they hold all their samples.
    private var isBegunStricter: Bool {
        get throws {
            guard writer.options.unreadable == .skip else { return false }
            let strict = unreadableLine(.fail)
            let there = SealedText.lines(of: try Files.read(settingsPath)) ?? []
            return there.contains(strict)
                && there.map { $0 == strict ? unreadableLine(.skip) : $0 } == settingLines
        }
    }

    /// Checks that what was begun is the same packing. By each process that has not begun it itself.
    ///
    /// - Throws: ``DatasetError``, naming the first argument that differs.
    public func join() throws {
        let (here, there) = (settingLines, SealedText.lines(of: try Files.read(settingsPath)) ?? [])
        guard here != there else { return }
        let index = zip(here, there).enumerated().first { $0.element.0 != $0.element.1 }?.offset ?? 0
        let found = there.indices.contains(index) ? there[index] : "nothing that can be read"
        throw DatasetError(
            .usage, folder,
            "holds the beginning of a packing of \"\(found)\", and this one is of \"\(here[index])\": give the same "
                + "arguments to go on with it, or remove that folder to begin anew")
    }

    /// The shards that have not been packed, rising.
    public func missing() throws -> [Int] {
        if try isPlacing { return [] }
        let names = Set(try Files.names(in: folder))
        return (0..<shards).filter { !names.contains(Files.lastPart(of: name.shard($0, of: shards))) }
    }

    /// How many shards there are going to be, and how many are packed.
    public var shards: Int { writer.shards }
    public var finishedShards: Int { get throws { try shards - missing().count } }

    /// The samples of a shard.
    public func samples(of shard: Int) -> Int { writer.range(of: shard).count }

    /// Packs a shard. Processes may pack different ones at once.
    ///
    /// - Parameter progress: is told of each sample that has been taken; what it throws ends the packing.
    /// - Throws: what the source throws, ``DatasetError`` if a value is not finite, `StorageError` if the file cannot be
    ///   written.
    public func pack(_ shard: Int, progress: () throws -> Void = {}) throws {
        let final = name.shard(shard, of: shards)
        let made = inFolder(final)
        let partial = "\(folder)/.partial-\(Files.lastPart(of: final))"
        let leftOut = try writer.makeShard(shard, at: partial, as: final, progress: progress)
        if !leftOut.isEmpty {
            let lines = leftOut.map { $0.reason.replacing("\n", with: " ") }
            try AtomicFile.write(SealedText.text(lines), to: leftOutPath(shard))
        }
        // What a packing leaves that is killed between these two.
        try AtomicFile.removeTree(HDF5Digest.path(for: made))
        try AtomicFile.rename(from: HDF5Digest.path(for: partial), to: HDF5Digest.path(for: made))
        try AtomicFile.rename(from: partial, to: made)
        try AtomicFile.syncDirectory(folder)
    }

    /// Puts everything in its place, once all shards are packed. By the process that has begun.
    ///
    /// - Throws: `StorageError` or ``DatasetError``; what was packed stays, and can be finished later.
    public func finish() throws -> Outcome {
        if try !isPlacing { try settle() }
        let shards = shardPaths
        let counts = SealedText.lines(of: try Files.read(placingPath))?.compactMap { Int($0) } ?? []
        guard counts.count == shards.count else {
            throw DatasetError(.malformed, placingPath, "is damaged; remove \(folder) and pack the data anew")
        }
        let leftOut = try shards.indices.flatMap { try self.leftOut(of: $0) }
        let files = shards + [name.whole]
        // The last shard makes a data set of it: what belongs to it is there by then.
        try place(files.map { HDF5Digest.path(for: $0) })
        try place([name.whole])
        try place(shards)
        try remove()
        return Outcome(files: files, samples: counts.reduce(0, +), leftOut: leftOut)
    }

    /// Makes what shows all shards as one, and records that nothing is missing any more: from here on files take their
    /// places, whoever does it.
    func settle() throws {
        let counts = try shardPaths.map { try HDF5File.open(inFolder($0)).dataset("/images").shape[0] }
        let whole = inFolder(name.whole)
        for file in [whole, HDF5Digest.path(for: whole)] { try AtomicFile.removeTree(file) }
        try writer.make(whole, as: name.whole) { try writer.writeWhole(to: $0, counts) }
        try refuseExisting()
        try AtomicFile.write(SealedText.text(counts.map(String.init)), to: placingPath)
    }

    /// Takes everything back, unless files are taking their places already: then a later call of `finish` ends that.
    public func abandon() {
        if (try? isPlacing) == false { try? remove() }
    }

    /// Takes everything back, unless a shard is done.
    ///
    /// - Returns: whether there is anything to go on from.
    public func abandonIfEmpty() -> Bool {
        guard (try? missing().count) == shards else { return true }
        abandon()
        return false
    }

    private func remove() throws {
        // Under another name first: a folder that is half removed must not look like one to go on with.
        let doomed = "\(name.folder)/.partial-\(getpid())-packing-\(name.name)"
        try AtomicFile.rename(from: folder, to: doomed)
        try AtomicFile.removeTree(doomed)
        lock = nil
    }
}

extension DatasetPacking {
    private static let failureMark = "failed"

    /// Tells the other processes that this one has failed, so that they need not go on.
    public func markFailure() { try? AtomicFile.write("", to: "\(folder)/\(Self.failureMark)") }

    /// Whether another process has failed.
    public var hasFailed: Bool { (try? Files.exists("\(folder)/\(Self.failureMark)")) ?? false }

    /// Tells the other processes how many samples this one has taken so far.
    public func tell(taken: Int, rank: Int) { try? AtomicFile.write("\(taken)\n", to: progressPath(rank)) }

    /// How many samples another process has told that it has taken; 0 before it has told anything.
    public func taken(rank: Int) -> Int {
        guard let bytes = try? Files.read(progressPath(rank)) else { return 0 }
        return Int(String(decoding: bytes, as: UTF8.self).dropLast()) ?? 0
    }

    private var shardPaths: [String] { (0..<shards).map { name.shard($0, of: shards) } }
    private func inFolder(_ file: String) -> String { "\(folder)/\(Files.lastPart(of: file))" }
    private func leftOutPath(_ shard: Int) -> String { "\(inFolder(name.shard(shard, of: shards))).left-out" }
    /// A packing that goes on begins without it, as without all that is partial.
    private func progressPath(_ rank: Int) -> String { "\(folder)/.partial-progress-\(rank)" }
    private var settingsPath: String { "\(folder)/settings" }
    private var placingPath: String { "\(folder)/placing" }
    /// Whether all shards are packed, and files take their places.
    private var isPlacing: Bool { get throws { try Files.exists(placingPath) } }

    private func leftOut(of shard: Int) throws -> [String] {
        guard try Files.exists(leftOutPath(shard)) else { return [] }
        return SealedText.lines(of: try Files.read(leftOutPath(shard))) ?? []
    }

    /// Gives files their names, but those that have them.
    private func place(_ files: [String]) throws {
        for file in files {
            if try Files.exists(inFolder(file)) {
                try AtomicFile.rename(from: inFolder(file), to: file)
            } else if try !Files.exists(file) {
                throw DatasetError(
                    .missing, file, "was packed, and is gone; remove \(folder) and pack the data anew")
            }
        }
        try AtomicFile.syncDirectory(name.folder)
    }

    /// Shards of another count would be taken for parts of the same data set.
    private func refuseExisting() throws {
        let existing = try Files.names(in: name.folder).first { file in
            let file = file.hasSuffix(".digest") ? String(file.dropLast(".digest".count)) : file
            return DatasetName.parseShard(file)?.name == name.name || file == "\(name.name).h5"
        }
        guard let existing else { return }
        throw StorageError(
            .exists, "\(name.folder)/\(existing)",
            "is there already; a data set is never replaced: remove its files or choose another --output")
    }

    private var settings: String { SealedText.text(settingLines) }

    private func unreadableLine(_ choice: PackOptions.Unreadable) -> String { "unreadable \(choice.rawValue)" }

    /// What must be the same for shards to go together, an argument a line.
    private var settingLines: [String] {
        let (source, options) = (writer.source, writer.options)
        func line(_ name: String, _ value: String?) -> String {
            "\(name) \(value?.split(whereSeparator: \.isNewline).joined(separator: " ") ?? "none")"
        }
        let names = source.labelNames?.joined(separator: "\0")
        return [
            line("fpdm packing, format", "1"), line("program", ProgramVersion.current),
            line("samples", "\(source.count)"), line("channels", "\(source.channels)"),
            line("side", "\(source.side)"), line("type", source.type.rawValue),
            line("content", writer.attributes.content), line("labels", "\(source.labels)"),
            line("label names, CRC-32C", names.map { Array($0.utf8).withUnsafeBytes { CRC32C.of($0) }.hex }),
            line("scale", "\(source.scaling.scale)"), line("shift", "\(source.scaling.shift)"),
            line("latents", source.latents?.description), line("source", source.identity),
            line("shards", "\(options.shards)"),
            line("deflate", options.deflate.map { "\($0)" }), unreadableLine(options.unreadable),
            line("citation", options.citation), line("licence", options.licence),
        ]
    }
}
