import Foundation
import Storage

/// Writes data sets: shards `NAME-00000-of-00002.h5` and so on, `NAME.h5` over all of them, and a digest beside each
/// (`HDF5Digest`).
///
/// All files are written beside their place under hidden names, brought to the disk, and only then take their names,
/// shards last: nothing is left behind if writing fails, nothing that exists is replaced, and a packing that is killed
/// leaves nothing that opens.
public struct DatasetWriter {
    /// Bytes of images (and of labels) in a chunk, about.
    static let chunkBytes = 64 << 10

    let source: any PackSource
    let name: DatasetName
    let shards: Int
    let attributes: DatasetAttributes
    let deflate: Int?

    /// Writes a data set.
    ///
    /// - Parameters:
    ///   - source: the samples, read one by one in their order.
    ///   - path: the base path, as in `data/digits`; its folder is made if need be.
    ///   - shards: how many files the samples are divided among, as evenly as they can be.
    ///   - content: `pixels`, `latents` or `moments`.
    ///   - citation: where the data come from.
    ///   - licence: what one may do with them.
    ///   - deflate: the level of compression, 1 to 9; nil: none.
    /// - Returns: the files, `NAME.h5` last.
    /// - Throws: ``DatasetError`` if there are fewer samples than shards or a value is not finite, what `source` throws,
    ///   and `StorageError` (`.exists` if a file of that name does).
    @discardableResult
    public static func write(
        _ source: any PackSource, to path: String, shards: Int = 1, content: String = "pixels", citation: String? = nil,
        licence: String? = nil, deflate: Int? = nil
    ) throws -> [String] {
        let name = DatasetName(path)
        guard shards > 0, shards <= source.count else {
            throw DatasetError(
                .usage, name.base, "\(source.count) samples cannot be divided among \(shards) shards; choose fewer")
        }
        guard DatasetAttributes.contents.contains(content) else {
            let known = DatasetAttributes.contents.joined(separator: ", ")
            throw DatasetError(.usage, name.base, "content \"\(content)\" is not one of \(known)")
        }
        let attributes = DatasetAttributes(
            content: content, scale: source.scaling.scale, shift: source.scaling.shift, latents: source.latents,
            labelNames: source.labelNames,
            source: citation, licence: licence)
        let writer = DatasetWriter(
            source: source, name: name, shards: shards, attributes: attributes, deflate: deflate)
        return try writer.write()
    }

    private func write() throws -> [String] {
        try AtomicFile.createDirectory(name.folder)
        try refuseExisting()
        let files = (0..<shards).map { name.shard($0, of: shards) } + [name.whole]
        let mark = "\(getpid())-\(UUID().uuidString.prefix(8))"
        let partial = files.map { "\(name.folder)/.partial-\(mark)-\(Files.lastPart(of: $0))" }
        var placed: [String] = []
        do {
            for index in 0..<shards {
                try writing(partial[index], as: files[index]) { try writeShard(index, to: $0) }
            }
            try writing(partial[shards], as: files[shards]) { try writeWhole(to: $0) }
            func place(_ from: [String], _ to: [String]) throws {
                for (from, to) in zip(from, to) {
                    try AtomicFile.rename(from: from, to: to)
                    placed.append(to)
                }
                try AtomicFile.syncDirectory(name.folder)
            }
            // The last shard makes a data set of it: what belongs to it is there by then.
            try place(partial.map(HDF5Digest.path), files.map(HDF5Digest.path))
            try place([partial[shards]], [files[shards]])
            try place(Array(partial[..<shards]), Array(files[..<shards]))
        } catch {
            // What was put in place was made here: half a data set is worse than none.
            for file in partial + partial.map(HDF5Digest.path) + placed.reversed() { try? AtomicFile.removeTree(file) }
            throw error
        }
        return files
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

    /// Makes a file, whose errors go by the name that it is to get.
    private func writing(_ partial: String, as final: String, _ body: (HDF5File) throws -> Void) throws {
        do {
            let file = try HDF5File.create(partial)
            try attributes.write(to: file)
            try body(file)
            let chunks = try file.checkedChunks()
            try file.close()
            try AtomicFile.syncFile(partial)
            try HDF5Digest(of: partial, chunks: chunks).write(to: HDF5Digest.path(for: partial))
        } catch let error as StorageError where error.path.hasPrefix(partial) {
            throw StorageError(error.kind, final + error.path.dropFirst(partial.count), error.message)
        }
    }
}

extension Files {
    /// The name at the end of a path.
    static func lastPart(of path: String) -> String { path.split(separator: "/").last.map(String.init) ?? path }
}
