import Compute

extension CheckpointReader {
    /// Reads many tensors or rows of them, after all names and shapes have been compared.
    ///
    /// Takes memory for the largest piece that reaches beyond the rows that are wanted of it.
    ///
    /// - Parameter wanted: all tensors of the groups that occur in it, those of which no rows are wanted with empty
    ///   `rows`; groups that do not occur are left out.
    /// - Throws: ``CheckpointError``: `.otherModel`, which names tensors that are missing, unexpected or of another
    ///   shape; `.damaged` as ``read(group:name:rows:into:)``. Values may then have been read in part.
    public func load(_ wanted: [CheckpointPiece]) throws {
        let found = try requireSame(wanted.map(\.extent))
        let largest = zip(wanted, found).map { largestCut($1, $0.extent.rows) }.max() ?? 0
        let (arena, scratch) = Arena.build("checkpoint piece") { $0.take(largest) }
        try withExtendedLifetime(arena) {
            for (piece, tensor) in zip(wanted, found) {
                try read(tensor, piece.extent.rows, into: piece.values, scratch: scratch)
            }
        }
    }

    /// Compares names and shapes within the groups of `wanted`.
    ///
    /// - Returns: the tensor of each.
    func requireSame(_ wanted: [CheckpointExtent]) throws -> [CheckpointIndex.Tensor] {
        let names = Set(wanted.map(\.path))
        let groups = Set(wanted.map(\.group))
        var found: [CheckpointIndex.Tensor] = []
        var missing: [String] = []
        var unlike: [String] = []
        for extent in wanted {
            guard let tensor = tensor(extent.group, extent.name) else {
                missing.append(extent.path)
                continue
            }
            if tensor.shape != extent.shape {
                unlike.append("\(tensor.path) has shape \(tensor.shape), not \(extent.shape)")
            }
            found.append(tensor)
        }
        let unexpected = index.tensors.filter { groups.contains($0.group) && !names.contains($0.path) }.map(\.path)
        let faults = [
            Self.list("lacks", missing), Self.list("holds besides", unexpected), Self.list("", unlike),
        ].filter { !$0.isEmpty }
        guard faults.isEmpty else {
            throw CheckpointError(
                .otherModel, path, "is a checkpoint of another model: \(faults.joined(separator: "; "))")
        }
        return found
    }

    /// The first few, and how many more.
    static func list(_ verb: String, _ items: [String]) -> String {
        guard !items.isEmpty else { return "" }
        let more = items.count > 3 ? " and \(items.count - 3) more" : ""
        return (verb.isEmpty ? "" : "\(verb) ") + items.prefix(3).joined(separator: ", ") + more
    }
}
