import Foundation
import Storage

/// Writes the files of a data set: shards `NAME-00000-of-00002.h5` and so on, `NAME.h5` over all of them, and a digest
/// beside each (`HDF5Digest`). ``DatasetPacking`` decides where they go, and when they take their names.
public struct DatasetWriter: Sendable {
    /// Bytes of images (and of labels) in a chunk, about.
    static let chunkBytes = 64 << 10

    let source: any PackSource
    let name: DatasetName
    let options: PackOptions
    let attributes: DatasetAttributes
    var shards: Int { options.shards }

    /// - Parameters:
    ///   - source: the samples, read one by one in their order.
    ///   - path: the base path, as in `data/digits`.
    ///   - content: `pixels`, `latents` or `moments`.
    /// - Throws: ``DatasetError`` if there are fewer samples than shards.
    init(_ source: any PackSource, to path: String, content: String, _ options: PackOptions) throws {
        name = DatasetName(path)
        guard options.shards > 0, options.shards <= source.count else {
            throw DatasetError(
                .usage, name.base,
                "\(source.count) samples cannot be divided among \(options.shards) shards; choose fewer")
        }
        guard DatasetAttributes.contents.contains(content) else {
            let known = DatasetAttributes.contents.joined(separator: ", ")
            throw DatasetError(.usage, name.base, "content \"\(content)\" is not one of \(known)")
        }
        (self.source, self.options) = (source, options)
        attributes = DatasetAttributes(
            content: content, scale: source.scaling.scale, shift: source.scaling.shift, latents: source.latents,
            labelNames: source.labelNames, source: options.citation, licence: options.licence)
    }

    /// Writes a data set in one go. Nothing is left behind if that fails.
    ///
    /// - Parameters:
    ///   - source: the samples, read one by one in their order.
    ///   - path: the base path, as in `data/digits`; its folder is made if need be.
    ///   - content: `pixels`, `latents` or `moments`; nil: as the source says.
    /// - Returns: the files, `NAME.h5` last.
    /// - Throws: ``DatasetError`` if there are fewer samples than shards or a value is not finite, what `source` throws,
    ///   and `StorageError` (`.exists` if a file of that name does).
    @discardableResult
    public static func write(
        _ source: any PackSource, to path: String, shards: Int = 1, content: String? = nil, citation: String? = nil,
        licence: String? = nil, deflate: Int? = nil
    ) throws -> [String] {
        let packing = try DatasetPacking(
            source, to: path, content: content,
            PackOptions(shards: shards, citation: citation, licence: licence, deflate: deflate))
        try packing.begin()
        do {
            for shard in try packing.missing() { try packing.pack(shard) }
            return try packing.finish().files
        } catch {
            packing.abandon()
            throw error
        }
    }
}

extension DatasetWriter {
    /// Makes a file and its digest, whose errors go by the name that it is to get.
    func make(_ partial: String, as final: String, _ body: (HDF5File) throws -> Void) throws {
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
