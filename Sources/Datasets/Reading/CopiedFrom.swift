import Storage

/// What a copy that is read in place of a data set is a copy of, for when it cannot be read.
///
/// Disks of nodes rot. Whoever finds that leaves a mark beside the copy, at which the next start makes it anew; a run
/// that reads it at this moment, perhaps other parts of it, is left in peace.
struct CopiedFrom {
    /// The base path of the data set that was copied.
    let original: String
    /// The base path of the copy.
    let copy: String

    /// A file that says what was found to be wrong with a copy.
    static func mark(ofCopy path: String) -> String {
        let home = DatasetName(path).folder
        return "\(Files.folder(of: home))/.damaged-\(Files.lastPart(of: home))"
    }

    /// Adds to the errors of `body` whose files these are and how they are mended.
    func naming<Value>(_ body: () throws -> Value) throws -> Value {
        do {
            return try body()
        } catch let error as StorageError {
            let remedy = remedy(error.kind == .malformed ? "\(error)" : nil)
            throw StorageError(error.kind, error.path, error.message + remedy)
        } catch let error as DatasetError {
            let remedy = remedy(error.kind == .malformed ? "\(error)" : nil)
            throw DatasetError(error.kind, error.path, error.message + remedy)
        }
    }

    /// - Parameter damage: to be noted beside the copy; nil for what may be no fault of its bytes.
    private func remedy(_ damage: String?) -> String {
        let isMarked =
            damage.map { (try? AtomicFile.write("\($0)\n", to: Self.mark(ofCopy: copy))) != nil } ?? false
        return "; this is the copy of \(original) that data.stage made: "
            + (isMarked ? "" : "remove the folder \(DatasetName(copy).folder), and ") + "the next start copies it anew"
            + (damage == nil ? "" : " (should it come again, see `fpdm data verify \(original)`)")
    }
}

extension ShardedDataset {
    /// Opens the copy of a data set.
    ///
    /// What cannot be read of it is noted beside it, so that ``DatasetCopy/make(patience:waiting:progress:)`` makes it
    /// anew, and errors say so.
    /// - Parameter path: the copy's base path.
    public convenience init(copyOf original: ShardedDataset, at path: String) throws {
        try self.init(path: path, mostHeldBytes: Self.mostHeldBytes, copiedFrom: original.name.base)
    }

    /// Adds to errors whose files these are, where this is a copy.
    func naming<Value>(_ body: () throws -> Value) throws -> Value {
        guard let copiedFrom else { return try body() }
        return try copiedFrom.naming(body)
    }
}
