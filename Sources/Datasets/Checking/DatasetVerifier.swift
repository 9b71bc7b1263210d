import Storage

/// Reads all there is of a data set and reports everything that is wrong, rather than the first thing.
public struct DatasetVerifier {
    /// Problems of one kind that are listed for one file.
    static let mostListed = 8

    /// What some network takes.
    public struct Limits: Sendable {
        let side: ClosedRange<Int>
        let channels: ClosedRange<Int>
        /// The most classes, or numbers in a vector of labels.
        let classes: Int

        public init(side: ClosedRange<Int>, channels: ClosedRange<Int>, classes: Int) {
            (self.side, self.channels, self.classes) = (side, channels, classes)
        }
    }

    var result: DatasetVerification
    let name: DatasetName
    let limits: Limits?
    /// Of the images' values as a model sees them.
    var seen = ValueSurvey()
    /// Files without a digest beside them.
    private var unvouched: [String] = []

    /// Verifies a data set.
    ///
    /// Every shard must be there, have the right layout, and be of one data set with the first. All images and labels
    /// are read, which puts their checksums to the test; numbers must be finite, images those that were packed where
    /// there are digests, classes count from 0 and have a name if any has. `NAME.h5`, if it is there, must show all
    /// shards in order. Files that have digests beside them must hold the very bytes that were written. What no training
    /// takes, or what would ruin any, is a problem; what may surprise is a note.
    ///
    /// - Parameters:
    ///   - path: as ``ShardedDataset/init(path:)`` takes it.
    ///   - limits: what some network takes; nil: anything.
    public static func verify(path: String, limits: Limits? = nil) -> DatasetVerification {
        var verifier = DatasetVerifier(name: DatasetName(path), limits: limits)
        verifier.run()
        return verifier.result
    }

    private init(name: DatasetName, limits: Limits?) {
        self.name = name
        self.limits = limits
        result = DatasetVerification(path: name.base)
    }

    private mutating func run() {
        let survey = ShardSurvey(name)
        for problem in survey.problems { report(problem.path, problem.message) }
        var first: Shard?
        var shards: [(shard: Shard, index: Int)] = []
        for index in survey.present {
            attempt(name.shard(index, of: survey.count)) { verifier, path in
                let shard = try Shard(path)
                verifier.result.filesRead += 1
                if let first { try shard.requireConsistent(with: first) }
                first = first ?? shard
                shards.append((shard, index))
            }
        }
        if let first { checkTrainable(first) }
        for (shard, _) in shards {
            readEverything(of: shard)
            checkBytes(of: shard.path)
        }
        if let first { assess(first) }
        let undigested = shards.filter { $0.shard.digests == nil }.count
        if undigested > 0 {
            result.notes.append(
                "\(name.base): \(undigested) of \(shards.count) files hold no /digests, so that pixels edited in place "
                    + "go unnoticed until a run is resumed; packing the data anew writes them")
        }
        defer { noteUnvouched() }
        guard survey.count > 0 else { return }
        if shards.count == survey.count, shards.allSatisfy({ $0.shard.count == 0 }) {
            report(name.base, "the data set holds no samples")
        }
        // One that cannot be looked up is reported on opening.
        guard (try? Files.exists(name.whole)) != false else {
            result.notes.append(
                "\(name.whole), which would show all shards as one array, is not there; training needs none")
            return
        }
        attempt(name.whole) { verifier, path in
            try verifier.checkWhole(path, shards, of: survey.count)
        }
        checkBytes(of: name.whole)
    }

    /// Holds all bytes of a file against the digest beside it, where nothing is known to be wrong with it yet.
    private mutating func checkBytes(of path: String) {
        let files = [path, HDF5Digest.path(for: path)]
        guard !result.problems.contains(where: { files.contains($0.file) }) else { return }
        attempt(path) { verifier, path in
            guard let digest = try HDF5Digest(beside: path) else {
                verifier.unvouched.append(path)
                return
            }
            try digest.checkAll(path)
        }
    }

    private mutating func noteUnvouched() {
        guard let first = unvouched.first else { return }
        result.notes.append(
            "\(name.base): \(unvouched.count) of \(result.filesRead) files have no digest beside them, as "
                + "\(HDF5Digest.path(for: first)) is for \(first): damage outside of values may go unnoticed, or crash what "
                + "reads them; copy those files too, or pack the data anew")
    }

    mutating func report(_ file: String, _ message: String) {
        result.problems.append(DatasetVerification.Problem(file: file, message: message))
    }

    /// Turns what `body` throws into a problem.
    mutating func attempt(_ path: String, _ body: (inout DatasetVerifier, String) throws -> Void) {
        do {
            try body(&self, path)
        } catch let error as StorageError {
            report(error.path, error.message)
        } catch let error as DatasetError {
            report(error.path, error.message)
        } catch {
            report(path, "\(error)")
        }
    }
}
