import Checkpoints
import Distributed
import Reporting

/// Checkpoints as all ranks read them together: each about its share of the bytes, and one verdict for all.
///
/// Everything here is collective, and whatever is thrown, all ranks throw alike.
package struct CollectiveReading {
    private let world: Communicator

    package init(_ world: Communicator) { self.world = world }

    /// The latest one that is valid.
    ///
    /// - Parameters:
    ///   - skipped: is told on every rank of each later one, which is damaged.
    ///   - find: on rank 0, where to look.
    /// - Returns: nil if there is no checkpoint at all.
    /// - Throws: `RankFailure`; of what kind, ``CheckpointCandidates/latestValid(skipped:open:)`` tells.
    package func latestValid(
        skipped: (CheckpointStore.Skipped) -> Void, _ find: () throws -> CheckpointCandidates?
    ) throws -> CheckpointReader? {
        try world.agree {
            try CheckpointCandidates.lookedForAnew {
                let found = try world.agree { world.rank == 0 ? try find()?.text() ?? "" : "" }
                let text = try world.broadcast(found, root: 0)
                guard !text.isEmpty else { return nil }
                let candidates = try world.agree { try CheckpointCandidates(text: text) }
                return candidates.isEmpty ? nil : try candidates.latestValid(skipped: skipped, open: open)
            }
        }
    }

    /// Opens a checkpoint and checks every byte of it.
    ///
    /// - Throws: `CheckpointError`, as ``CheckpointReader/open(_:)``, for damage and for one that has gone; otherwise
    ///   `RankFailure`.
    package func open(_ path: String) throws -> CheckpointReader {
        let head = try verdict { world.rank == 0 ? try CheckpointReader(unchecked: path).text() : "" }
        let reader = try CheckpointReader(text: world.orAbort { try world.broadcast(head, root: 0) })
        // A folder that some nodes do not share is no damage to it.
        let seal = try world.agree { try reader.sealHere() ?? "none" }
        try RunAgreement.requireSame(seal, "checkpoint at \(path)", world)
        try check(reader) { try reader.digestFiles(share: world.rank, of: world.size) }
        try check(reader) { try reader.digestPieces(share: world.rank, of: world.size) }
        return reader
    }

    /// Reads a checkpoint's parts, each rank its own, and checks what they are parts of.
    ///
    /// - Parameter read: this rank's; those of all ranks are every byte of a file or piece once, or none.
    /// - Throws: `CheckpointError` for damage; otherwise `RankFailure`.
    func check(_ reader: CheckpointReader, _ read: () throws -> [CheckpointPart]) throws {
        let own = try verdict { CheckpointPart.numbers(try read()) }
        let all = world.orAbort { try world.allGather(own) }
        // The same parts in the same order, so that all ranks find the same.
        try reader.check(CheckpointPart.parts(Array(all.joined())))
    }

    /// Runs local work; damage that any rank finds is damage for all: that of the lowest rank.
    private func verdict<Value>(_ body: () throws -> Value) throws -> Value {
        let kinds: [CheckpointTrouble] = [.damaged, .missing, .gone]
        let found: Result<Value, CheckpointError> = try world.agree {
            do {
                return .success(try body())
            } catch let error as CheckpointError where kinds.contains(error.kind) {
                return .failure(error)
            }
        }
        var own: CheckpointError?
        if case .failure(let error) = found { own = error }
        let finder = world.orAbort { Int(try world.allReduce(Int32(own == nil ? world.size : world.rank), .min)) }
        guard finder < world.size else { return try found.get() }
        throw world.orAbort {
            CheckpointError(
                kinds[try world.broadcast([own.flatMap { kinds.firstIndex(of: $0.kind) } ?? 0], root: finder)[0]],
                try world.broadcast(own?.path ?? "", root: finder),
                try world.broadcast(own?.message ?? "", root: finder))
        }
    }
}
