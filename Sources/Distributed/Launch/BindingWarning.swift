/// What is wrong with the cores to which the ranks of a node are bound.
extension ProcessorAffinity {
    /// One sentence when ranks of a node have fewer cores than the node has for them, with the remedy; nil when all
    /// is well, and outside of a launcher, where the mask is the user's own choice.
    ///
    /// Open MPI binds each of one or two ranks to one core unless told otherwise (mpirun(1), `--bind-to`), and a
    /// second `mpirun` on the node binds to the same cores again.
    /// - Parameters:
    ///   - masks: the logical processors of all ranks of the node, in rank order; an empty one is not known.
    ///   - node: the logical processors that the node has for the job.
    public static func warning(masks: [[Int]], node: NodeProcessors, isLaunched: Bool) -> String? {
        let masks = masks.filter { !$0.isEmpty }.map { Set($0) }
        guard isLaunched, !masks.isEmpty else { return nil }
        let ranks = masks.count
        if ranks > node.count {
            return "\(ranks) ranks share this node's \(coresInWords(node)) and slow each other down: "
                + "start fewer ranks on a node"
        }
        let remedy = "start mpirun with --bind-to none (srun: --cpu-bind=none)"
        // Ranks without a core each: more of them inside a mask than the mask has processors.
        let crowds = masks.map { mask in (mask: mask, ranks: masks.count { $0.isSubset(of: mask) }) }
        if let crowd = crowds.first(where: { $0.ranks > $0.mask.count }) {
            let list = crowd.mask.sorted().map { "\($0)" }.joined(separator: ", ")
            return "\(crowd.ranks) ranks share \(crowd.mask.count == 1 ? "processor" : "processors") \(list), although "
                + "this node has \(coresInWords(node)) for its \(plural(ranks, "rank")): \(remedy)"
        }
        let bound = masks.count { $0.count <= node.threadsPerCore }
        // A core more for each rank, or nothing is gained.
        guard bound > 0, node.count / ranks >= 2 * node.threadsPerCore else { return nil }
        return "\(bound) of this node's \(plural(ranks, "rank")) may use one core only, although it has "
            + "\(coresInWords(node)) for them: \(remedy)"
    }
}

private func coresInWords(_ node: NodeProcessors) -> String {
    plural(max(1, node.count / node.threadsPerCore), "core")
}

private func plural(_ count: Int, _ noun: String) -> String { "\(count) \(noun)\(count == 1 ? "" : "s")" }
