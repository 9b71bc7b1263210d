import Foundation
import Storage

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
            let index = CheckpointIndex(
                metadata: try CheckpointMetadata(reading: file, format: format), files: files, tensors: tensors)
            try file.close()
            return index
        }
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
            guard !name.isEmpty, !name.contains("/"), !name.hasPrefix("."), numbers.0 > 0,
                let crc = UInt32(exactly: numbers.1)
            else {
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
