import Foundation
import Storage

/// `checkpoint.h5`: metadata, the digest of each rank file, and which rows of each tensor lie in which of them.
///
/// To h5dump and h5py its tensors are ordinary data sets `/GROUP/NAME`: virtual ones over the rank files. This program
/// takes only the mapping from them.
struct CheckpointIndex: Equatable, Sendable {
    /// Of the layout of a checkpoint's folder. A reader refuses later ones.
    static let formatVersion = 1
    private static let format = "fpdm checkpoint"

    /// Rows of a tensor, and the file they are in.
    struct Piece: Equatable, Sendable {
        let file: String
        let rows: Range<Int>
    }

    struct Tensor: Equatable, Sendable {
        let group: String
        let name: String
        let shape: [Int]
        /// In order, without gap or overlap.
        let pieces: [Piece]

        var path: String { "\(group)/\(name)" }
        var count: Int { shape.reduce(1, *) }
    }

    let metadata: CheckpointMetadata
    let files: [CheckpointDigest]
    let tensors: [Tensor]

    static func tooNew(_ format: Int, _ path: String) -> CheckpointError {
        CheckpointError(
            .tooNew, path, "has format \(format), this program knows \(formatVersion) at most; use a newer fpdm")
    }
}

extension CheckpointIndex {
    /// Writes the file and brings it to the disk.
    func write(to path: String) throws {
        let file = try HDF5File.create(path)
        try file.setAttribute("format", Self.format)
        try file.setAttribute("format_version", Self.formatVersion)
        try file.setAttribute("step", metadata.step)
        try file.setAttribute("job", metadata.jobYAML)
        try file.setAttribute("world_size", metadata.worldSize)
        try file.setAttribute("hosts", metadata.hosts)
        try file.setAttribute("version", metadata.version)
        try file.setAttribute("created", metadata.created)
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        let environment = String(decoding: try encoder.encode(metadata.environment), as: UTF8.self)
        try file.setAttribute("environment", environment)
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

extension CheckpointIndex {
    /// Reads the file of a folder; its digest must have been checked.
    init(readingIn folder: String) throws {
        let path = "\(folder)/\(CheckpointNames.index)"
        self = try CheckpointError.translating {
            let file = try HDF5File.open(path)
            guard try file.attribute("format") == Self.format else {
                throw CheckpointError(.damaged, path, "is not the index of a checkpoint")
            }
            let format: Int = try file.attribute("format_version")
            if format > Self.formatVersion { throw Self.tooNew(format, path) }
            let files = try Self.digests(file)
            let names = Set(files.map(\.name))
            let tensors = try Self.groups(file, "").flatMap { group, links in
                try links.map { try Self.tensor(group, $0, file, names) }
            }
            let index = CheckpointIndex(metadata: try Self.metadata(file), files: files, tensors: tensors)
            try file.close()
            return index
        }
    }

    private static func metadata(_ file: HDF5File) throws -> CheckpointMetadata {
        let environment: String = try file.attribute("environment")
        guard let pairs = try? JSONDecoder().decode([String: String].self, from: Foundation.Data(environment.utf8))
        else { throw CheckpointError(.damaged, file.path, "attribute environment should be JSON of texts") }
        return CheckpointMetadata(
            step: try file.attribute("step"), jobYAML: try file.attribute("job"),
            worldSize: try file.attribute("world_size"), hosts: try file.attribute("hosts"),
            version: try file.attribute("version"), created: try file.attribute("created"), environment: pairs)
    }

    private static func digests(_ file: HDF5File) throws -> [CheckpointDigest] {
        let names: [String] = try file.attribute("rank_files")
        let sizes: [Int] = try file.attribute("rank_file_sizes")
        let crcs: [Int] = try file.attribute("rank_file_crc32c")
        guard names.count == sizes.count, names.count == crcs.count else {
            throw CheckpointError(.damaged, file.path, "lists names, sizes and checksums of unlike many rank files")
        }
        return try zip(names, zip(sizes, crcs)).map { name, numbers in
            // A name alone: nothing outside the folder is ever opened.
            guard !name.isEmpty, !name.contains("/"), !name.hasPrefix("."), let crc = UInt32(exactly: numbers.1) else {
                throw CheckpointError(.damaged, file.path, "lists a rank file that cannot be: \(name)")
            }
            return CheckpointDigest(name: name, size: numbers.0, crc: crc)
        }
    }

    /// Every group that holds data sets, with their names in the order that people count in.
    private static func groups(_ file: HDF5File, _ group: String) throws -> [(group: String, links: [String])] {
        var links: [String] = []
        var below: [(String, [String])] = []
        for name in try file.names(in: group.isEmpty ? "/" : group) {
            let path = group.isEmpty ? name : "\(group)/\(name)"
            switch try file.kind(of: path) {
            case .dataset: links.append(name)
            case .group: below += try groups(file, path)
            }
        }
        links.sort { $0.compare($1, options: .numeric) == .orderedAscending }
        return (links.isEmpty ? [] : [(group, links)]) + below
    }

    private static func tensor(
        _ group: String, _ name: String, _ file: HDF5File, _ files: Set<String>
    ) throws -> Tensor {
        let path = "\(group)/\(name)"
        let dataset = try file.dataset(path)
        func damage() -> CheckpointError {
            CheckpointError(.damaged, file.path, "/\(path): the rank files do not make up its shape \(dataset.shape)")
        }
        guard let rows = dataset.shape.first, dataset.type == .float32 else { throw damage() }
        let rest = dataset.shape.dropFirst()
        var end = 0
        let sources = try dataset.virtualSources().sorted { $0.start.lexicographicallyPrecedes($1.start) }
        let pieces = try sources.map { source in
            guard let start = source.start.first, let count = source.count.first, files.contains(source.file),
                source.dataset == "/\(path)", start == end, count <= rows - end, source.count.dropFirst() == rest,
                source.sourceShape == source.count, source.start.dropFirst().allSatisfy({ $0 == 0 })
            else { throw damage() }
            end += count
            return Piece(file: source.file, rows: start..<end)
        }
        guard end == rows || dataset.count == 0 else { throw damage() }
        return Tensor(group: group, name: name, shape: dataset.shape, pieces: pieces)
    }
}
