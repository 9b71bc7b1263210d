import Compute

extension CheckpointReader {
    /// Reads many whole tensors, after all names and shapes have been compared.
    ///
    /// - Parameter wanted: all tensors of the groups that occur in it; groups that do not occur are left out.
    /// - Throws: ``CheckpointError``: `.otherModel`, which names tensors that are missing, unexpected or of another
    ///   shape; `.damaged` as ``read(group:name:rows:into:)``. Values may then have been read in part.
    public func load(_ wanted: [CheckpointPiece]) throws { try check(loadShare(wanted)) }

    /// Reads rows of many tensors, and nothing besides, after all names and shapes have been compared.
    ///
    /// - Parameter wanted: as ``load(_:)``; those of which no rows are wanted with empty `rows`.
    /// - Returns: the checksums of what was read, for ``check(_:)`` with those of the readers of the other rows.
    /// - Throws: as ``load(_:)``.
    public func loadShare(_ wanted: [CheckpointPiece]) throws -> [CheckpointPart] {
        defer { closeFiles() }
        let found = try requireSame(wanted.map(\.extent))
        return try zip(wanted, found).flatMap { try read($1, $0.extent.rows, into: $0.values) }
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
