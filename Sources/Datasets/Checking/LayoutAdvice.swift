import Reporting
import Storage

/// What in the way a data set lies in its files makes training on it slow, or its order poor.
enum LayoutAdvice {
    /// A window of this many samples is the default of `data.window`.
    private static let window = 1024
    private static let mostChunkBytes = 1 << 20

    /// - Parameters:
    ///   - images: of a shard.
    ///   - isHeld: whether the data set is small enough to be kept in memory, where chunks matter at the first read only.
    /// - Returns: sentences, none for a data set as this program packs it.
    static func notes(on images: HDF5Dataset, isHeld: Bool) -> [String] {
        guard !isHeld, images.shape[0] > 0 else { return [] }
        let remedy = "; pack the data anew with fpdm data pack"
        let sampleBytes = images.shape.dropFirst().reduce(images.type.byteCount ?? 1, *)
        guard let chunk = images.chunk else {
            return ["images lie in one piece without checksums: what rots on the disk goes unnoticed" + remedy]
        }
        var notes: [String] = []
        let chunkBytes = chunk.reduce(images.type.byteCount ?? 1, *)
        if chunk.dropFirst() != images.shape.dropFirst() {
            notes.append(
                "chunks of \(chunk) hold parts of samples: each sample is put together from several, by one thread at a "
                    + "time" + remedy)
        }
        if chunk[0] > 1, chunkBytes > mostChunkBytes {
            notes.append(
                "chunks take \(chunkBytes >> 20) MiB: a sample of \(sampleBytes.grouped) bytes by itself costs as much to "
                    + "read" + remedy)
        }
        if chunk[0] * 16 > window, chunk[0] < images.shape[0] {
            notes.append(
                "chunks hold \(chunk[0].grouped) samples: a window of \(window.grouped) mixes those of "
                    + "\(max(window / chunk[0], 1)) of them only; raise data.window to \((64 * chunk[0]).grouped), or pack "
                    + "the data anew with fpdm data pack")
        }
        return notes
    }

    /// Whether samples of a class come one after the other, which windows do not mix.
    ///
    /// - Parameter classes: of all samples, in order.
    static func note(onOrder classes: [Int32], isHeld: Bool) -> String? {
        guard !isHeld, classes.count > window, Set(classes).count > 1 else { return nil }
        // Mixed, nearly every second neighbour or more is of another class than the one before.
        let changes = zip(classes, classes.dropFirst()).count { $0 != $1 }
        let counts = Dictionary(grouping: classes, by: { $0 }).mapValues { Double($0.count) / Double(classes.count) }
        let expected = (1 - counts.values.reduce(0) { $0 + $1 * $1 }) * Double(classes.count - 1)
        guard Double(changes) < expected / 10 else { return nil }
        return
            "samples of a class come one after the other, and windows mix neighbours only: pack them with --seed, or "
            + "set data.shuffle to full"
    }
}

extension ShardedDataset {
    /// Each note on the layout once, with the first shard that it is about.
    func layoutNotes() throws -> [String] {
        var notes: [(note: String, file: String)] = []
        for (index, path) in shardPaths.enumerated() {
            for note in LayoutAdvice.notes(on: try files.shard(index).images, isHeld: isHeld)
            where !notes.contains(where: { $0.note == note }) { notes.append((note, path)) }
        }
        let order = LayoutAdvice.note(onOrder: classLabels, isHeld: isHeld).map { ["\(name.base): \($0)"] } ?? []
        return notes.map { "\($0.file): \($0.note)" } + order
    }
}
