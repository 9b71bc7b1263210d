/// What the tensors of a network are called in a file of weights.
///
/// The published names are those of a state dictionary of DiT (`blocks.3.attn.qkv.weight`) or of FPDM (`blocks_pre.0...`,
/// `block_fixed_point...`, `blocks_post.0...`). An FPDM's blocks may also be counted through as `blocks.0`, `blocks.1` ..., in
/// place of those names or beside them: its code keeps a list `blocks` of all of them. And what wraps a model in PyTorch
/// puts its own name before all: `module.` (DistributedDataParallel), `_orig_mod.` (compile).
struct TensorNames {
    private static let wrappers = ["module.", "_orig_mod.", "module._orig_mod.", "_orig_mod.module."]

    /// The name in the file, by the network's.
    private let spelled: [String: String]
    /// Second names of a tensor in the file, by the network's name.
    let doubles: [(name: String, double: String)]
    /// Names in the file that are of nothing.
    let unexpected: [String]

    /// - Parameters:
    ///   - names: in the file.
    ///   - wanted: the network's.
    init(_ names: [String], wanted: [String]) {
        let there = Set(names)
        let wrapper =
            Self.wrappers.filter { wrapper in names.allSatisfy { $0.hasPrefix(wrapper) } }.max { $0.count < $1.count }
            ?? ""
        let before = Set(wanted.compactMap { Self.number($0, "blocks_pre.") }).count
        var spelled: [String: String] = [:]
        var doubles: [(name: String, double: String)] = []
        for name in wanted {
            let own = wrapper + name
            let counted = Self.counted(name, before: before).map { wrapper + $0 }.flatMap {
                there.contains($0) ? $0 : nil
            }
            if there.contains(own) {
                spelled[name] = own
                if let counted { doubles.append((name, counted)) }
            } else if let counted {
                spelled[name] = counted
            }
        }
        self.spelled = spelled
        self.doubles = doubles
        let known = Set(spelled.values).union(doubles.map(\.double))
        unexpected = names.filter { !known.contains($0) }
    }

    /// The name in the file; nil where it is not there.
    subscript(name: String) -> String? { spelled[name] }

    /// A tensor's name where an FPDM's blocks are counted through; nil for what is in no block of one.
    private static func counted(_ name: String, before: Int) -> String? {
        func rest(_ prefix: String) -> String? { name.hasPrefix(prefix) ? String(name.dropFirst(prefix.count)) : nil }
        if let rest = rest("blocks_pre.") { return "blocks.\(rest)" }
        if let rest = rest("block_fixed_point.") { return "blocks.\(before).\(rest)" }
        guard let number = number(name, "blocks_post."), let rest = rest("blocks_post.\(number).") else { return nil }
        return "blocks.\(before + 1 + number).\(rest)"
    }

    /// The number behind a prefix.
    private static func number(_ name: String, _ prefix: String) -> Int? {
        guard name.hasPrefix(prefix) else { return nil }
        return Int(name.dropFirst(prefix.count).prefix { $0 != "." })
    }
}
