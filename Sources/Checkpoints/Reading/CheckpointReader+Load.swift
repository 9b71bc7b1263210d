extension CheckpointReader {
    /// Reads many tensors, after all names and shapes have been compared.
    ///
    /// - Parameter wanted: all tensors of the groups that occur in it; groups that do not are left out.
    /// - Throws: ``CheckpointError``: `.otherModel`, which names tensors that are missing, unexpected or of another
    ///   shape; `.damaged` as ``read(group:name:into:)``. Values may then have been read in part.
    public func load(_ wanted: [CheckpointTensor]) throws {
        try requireSame(wanted.map { ($0.group, $0.name, $0.shape) })
        for tensor in wanted { try read(group: tensor.group, name: tensor.name, into: tensor.values) }
    }

    /// Compares names and shapes within the groups of `wanted`.
    func requireSame(_ wanted: [(group: String, name: String, shape: [Int])]) throws {
        let names = Set(wanted.map { "\($0.group)/\($0.name)" })
        let groups = Set(wanted.map(\.group))
        var missing: [String] = []
        var unlike: [String] = []
        for tensor in wanted {
            guard let found = self.tensor(tensor.group, tensor.name) else {
                missing.append("\(tensor.group)/\(tensor.name)")
                continue
            }
            if found.shape != tensor.shape {
                unlike.append("\(found.path) has shape \(found.shape), not \(tensor.shape)")
            }
        }
        let unexpected = index.tensors.filter { groups.contains($0.group) && !names.contains($0.path) }.map(\.path)
        let faults = [
            Self.list("lacks", missing), Self.list("holds besides", unexpected), Self.list("", unlike),
        ].filter { !$0.isEmpty }
        guard faults.isEmpty else {
            throw CheckpointError(
                .otherModel, path, "is a checkpoint of another model: \(faults.joined(separator: "; "))")
        }
    }

    /// The first few, and how many more.
    private static func list(_ verb: String, _ items: [String]) -> String {
        guard !items.isEmpty else { return "" }
        let more = items.count > 3 ? " and \(items.count - 3) more" : ""
        return (verb.isEmpty ? "" : "\(verb) ") + items.prefix(3).joined(separator: ", ") + more
    }
}
