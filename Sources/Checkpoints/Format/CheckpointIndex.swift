import Storage

/// `checkpoint.h5`: metadata, the digest of each rank file, and which rows of each tensor lie in which of them.
///
/// To h5dump and h5py its tensors are ordinary data sets `/GROUP/NAME`: virtual ones over the rank files. This program
/// takes only the mapping from them.
struct CheckpointIndex: Codable, Equatable, Sendable {
    /// Of the layout of a checkpoint's folder. A reader refuses later ones.
    static let formatVersion = 2
    static let format = "fpdm checkpoint"

    /// Rows of a tensor, and the file they are in.
    struct Piece: Codable, Equatable, Sendable {
        let file: String
        let rows: Range<Int>
    }

    struct Tensor: Codable, Equatable, Sendable {
        let group: String
        let name: String
        let shape: [Int]
        /// In order, without gap or overlap.
        let pieces: [Piece]

        var path: String { "\(group)/\(name)" }
        var count: Int { shape.reduce(1, *) }
        /// Elements of a row.
        var rowCount: Int { shape.dropFirst().reduce(1, *) }
    }

    let metadata: CheckpointMetadata
    let files: [CheckpointDigest]
    let tensors: [Tensor]

    /// Refuses a folder that is named after another step: what is counted from its name would be wrong.
    func requireStep(of folder: String) throws {
        let name = folder.split(separator: "/").last.map(String.init) ?? ""
        guard let step = CheckpointNames.step(of: name), step != metadata.step else { return }
        throw CheckpointError(
            .damaged, folder,
            "holds step \(metadata.step), not the one that the folder is named after; rename it to "
                + "\(CheckpointNames.step(metadata.step)), or restore it from a copy")
    }

    /// Whether it says the same of the same tensors, which a file has in another order than those who write it.
    func isSame(as other: CheckpointIndex) -> Bool {
        func sorted(_ index: CheckpointIndex) -> [Tensor] { index.tensors.sorted { $0.path < $1.path } }
        return metadata == other.metadata && files == other.files && sorted(self) == sorted(other)
    }

    static func tooNew(_ format: Int, _ path: String) -> CheckpointError {
        CheckpointError(
            .tooNew, path, "has format \(format), this program knows \(formatVersion) at most; use a newer fpdm")
    }
}

extension CheckpointIndex {
    /// The tensors of a layout, in the order of their first mention.
    ///
    /// - Parameters:
    ///   - layout: the extents of each file's pieces.
    ///   - files: the files' names, in the order of `layout`.
    /// - Precondition: the extents are every row of each tensor once.
    static func tensors(of layout: [[CheckpointExtent]], in files: [String]) -> [Tensor] {
        var order: [CheckpointExtent] = []
        var pieces: [String: [Piece]] = [:]
        for (file, extents) in zip(files, layout) {
            for extent in extents {
                if pieces[extent.path] == nil { order.append(extent) }
                pieces[extent.path, default: []] +=
                    extent.count > 0 ? [Piece(file: file, rows: extent.rows)] : []
            }
        }
        let shapes = Dictionary(uniqueKeysWithValues: order.map { ($0.path, $0.shape) })
        for extent in layout.joined() {
            precondition(
                shapes[extent.path] == extent.shape, "\(extent.path) has two shapes: \(extent.shape) and others")
        }
        return order.map { extent in
            let sorted = pieces[extent.path, default: []].sorted { $0.rows.lowerBound < $1.rows.lowerBound }
            var end = 0
            for piece in sorted {
                precondition(piece.rows.lowerBound == end, "\(extent.path): rows \(piece.rows) follow row \(end)")
                end = piece.rows.upperBound
            }
            let isEmpty = extent.shape.contains(0)
            precondition(isEmpty || end == extent.shape[0], "\(extent.path): nobody saves rows from \(end)")
            return Tensor(group: extent.group, name: extent.name, shape: extent.shape, pieces: sorted)
        }
    }

    /// Writes the file and brings it to the disk.
    func write(to path: String) throws {
        let file = try HDF5File.create(path)
        try file.setAttribute("format", Self.format)
        try file.setAttribute("format_version", Self.formatVersion)
        try metadata.write(to: file)
        try file.setAttribute("rank_files", files.map(\.name))
        try file.setAttribute("rank_file_sizes", files.map(\.size))
        try file.setAttribute("rank_file_crc32c", files.map { Int($0.crc) })
        for tensor in tensors {
            let rest = tensor.shape.dropFirst()
            let none = rest.map { _ in 0 }
            let pieces = tensor.pieces.map { piece in
                // A file's name alone: it is looked for beside this one, wherever the folder is moved to.
                VirtualPiece(
                    file: piece.file, dataset: "/\(tensor.path)", sourceShape: [piece.rows.count] + rest,
                    sourceStart: [0] + none, start: [piece.rows.lowerBound] + none, count: [piece.rows.count] + rest)
            }
            _ = try file.createVirtualDataset(
                "/\(tensor.path)", .float32, shape: tensor.shape, pieces: pieces, fill: .nan)
        }
        try file.close()
        try AtomicFile.syncFile(path)
    }
}
