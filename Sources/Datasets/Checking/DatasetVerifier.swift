import Storage

/// What `fpdm data verify` finds; with `--json`, under these names.
public struct DatasetVerification: Codable, Equatable, Sendable {
    /// One thing that is wrong.
    public struct Problem: Codable, Equatable, Sendable, CustomStringConvertible {
        public let file: String
        public let message: String

        public var description: String { "\(file): \(message)" }
    }

    /// The base path.
    public let path: String
    /// Files that could be opened.
    public fileprivate(set) var filesRead = 0
    /// Samples whose every byte was read.
    public fileprivate(set) var samplesRead = 0
    /// Empty for a sound data set.
    public fileprivate(set) var problems: [Problem] = []

    /// What is no fault, but may surprise.
    public fileprivate(set) var notes: [String] = []

    public var isSound: Bool { problems.isEmpty }
}

/// Reads all there is of a data set and reports everything that is wrong, rather than the first thing.
public struct DatasetVerifier {
    /// Problems of one kind that are listed for one file.
    private static let mostListed = 8

    private var result: DatasetVerification
    private let name: DatasetName

    /// Verifies a data set.
    ///
    /// Every shard must be there, have the right layout, and be of one data set with the first. All images and labels
    /// are read, which puts their checksums to the test; numbers must be finite, images those that were packed where
    /// there are digests, classes count from 0 and have a name if any has. `NAME.h5`, if it is there, must show all shards in order.
    ///
    /// - Parameter path: as ``ShardedDataset/init(path:)`` takes it.
    public static func verify(path: String) -> DatasetVerification {
        var verifier = DatasetVerifier(name: DatasetName(path))
        verifier.run()
        return verifier.result
    }

    private init(name: DatasetName) {
        self.name = name
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
        for (shard, _) in shards { readEverything(of: shard) }
        let undigested = shards.filter { $0.shard.digests == nil }.count
        if undigested > 0 {
            result.notes.append(
                "\(name.base): \(undigested) of \(shards.count) files hold no /digests, so that pixels edited in place "
                    + "go unnoticed until a run is resumed; packing the data anew writes them")
        }
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
    }

    private mutating func report(_ file: String, _ message: String) {
        result.problems.append(DatasetVerification.Problem(file: file, message: message))
    }

    /// Turns what `body` throws into a problem.
    private mutating func attempt(_ path: String, _ body: (inout DatasetVerifier, String) throws -> Void) {
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

extension DatasetVerifier {
    private mutating func readEverything(of shard: Shard) {
        let digests = readDigests(of: shard)
        let damagedImages =
            if shard.images.type == .uint8 {
                readRows(of: shard.images, in: shard.path, UInt8.self) { row, values in
                    Self.complaint(values, row, digests)
                }
            } else {
                readRows(of: shard.images, in: shard.path, Float.self) { row, values in
                    Self.notFinite(values) ?? Self.complaint(values, row, digests)
                }
            }
        result.samplesRead += shard.count - damagedImages
        switch shard.labels {
        case .none: break
        case .continuous:
            if let values = shard.labelValues {
                _ = readRows(of: values, in: shard.path, Float.self) { Self.notFinite($1) }
            }
        case .classes:
            let names = shard.attributes.labelNames
            guard let values = shard.labelValues else { return }
            _ = readRows(of: values, in: shard.path, Int.self) { _, label in
                let label = label[0]
                if label < 0 || Int32(exactly: label) == nil { return "label \(label); classes count from 0" }
                guard let names, label >= names.count else { return nil }
                return "label \(label), but labelNames has names for 0 to \(names.count - 1) only"
            }
        }
    }

    /// A shard's digests; nil if it has none, or none that can be read.
    private mutating func readDigests(of shard: Shard) -> [UInt32]? {
        var digests: [UInt32]?
        attempt(shard.path) { _, _ in digests = try shard.digests?.read() }
        return digests
    }

    private static func notFinite(_ values: UnsafeBufferPointer<Float>) -> String? {
        values.first { !$0.isFinite }.map { "\($0), which is not a finite number" }
    }

    private static func complaint<Value>(
        _ values: UnsafeBufferPointer<Value>, _ row: Int, _ digests: [UInt32]?
    ) -> String? {
        guard let packed = digests?[row] else { return nil }
        let found = SampleDigests.digest(values)
        return found == packed ? nil : SampleDigests.complaint(found, packed)
    }

    /// Reads a data set, chunk by chunk, so that a damaged one does not hide the others.
    ///
    /// - Parameter complaint: what is wrong with a row, as it follows "sample 3 has"; takes its number and its values.
    /// - Returns: how many rows could not be read.
    private mutating func readRows<Value: HDF5Scalar>(
        of dataset: HDF5Dataset, in path: String, _: Value.Type,
        _ complaint: (Int, UnsafeBufferPointer<Value>) -> String?
    ) -> Int {
        let rows = dataset.shape[0]
        guard rows > 0 else { return 0 }
        let rowCount = dataset.count / rows
        let step = dataset.chunk?[0] ?? rows
        var unreadable = 0
        var complaints = 0
        var damaged = 0
        for start in stride(from: 0, to: rows, by: max(step, 1)) {
            let count = min(max(step, 1), rows - start)
            let values: [Value]
            do {
                let zero = [Int](repeating: 0, count: dataset.shape.count - 1)
                values = try dataset.read(Value.self, start: [start] + zero, count: [count] + dataset.shape[1...])
            } catch {
                unreadable += count
                damaged += 1
                if damaged <= Self.mostListed {
                    let message = (error as? StorageError)?.message ?? "\(error)"
                    report(path, "samples \(start) to \(start + count - 1): \(message)")
                }
                continue
            }
            for row in 0..<count {
                let reason = values.withUnsafeBufferPointer { values in
                    complaint(start + row, .init(rebasing: values[row * rowCount..<(row + 1) * rowCount]))
                }
                guard let reason else { continue }
                complaints += 1
                if complaints <= Self.mostListed {
                    report(path, "\(dataset.name): sample \(start + row) has \(reason)")
                }
            }
        }
        for (count, what) in [(damaged, "further damaged chunks"), (complaints, "further samples with bad values")]
        where count > Self.mostListed {
            report(path, "\(dataset.name): \(count - Self.mostListed) \(what)")
        }
        return unreadable
    }
}

extension DatasetVerifier {
    /// Checks that `NAME.h5` shows every shard, in order and whole.
    private mutating func checkWhole(_ path: String, _ shards: [(shard: Shard, index: Int)], of count: Int) throws {
        let file = try HDF5File.open(path)
        result.filesRead += 1
        // Against shards that are not all known nothing can be said.
        guard shards.count == count, let first = shards.first?.shard else { return }
        let attributes = try DatasetAttributes(reading: file)
        if let difference = attributes.difference(from: first.attributes) {
            report(
                path,
                "attribute \(difference.attribute) is \(difference.here), but \(difference.there) in \(first.path)")
        }
        var datasets: [(String, (Shard) -> HDF5Dataset?)] = [("/images", { $0.images })]
        if first.labels != .none { datasets.append(("/labels", { $0.labelValues })) }
        if shards.allSatisfy({ $0.shard.digests != nil }) { datasets.append(("/digests", { $0.digests })) }
        for (object, part) in datasets {
            guard file.exists(object) else {
                report(path, "\(object): there is no such data set in the file")
                continue
            }
            var start = 0
            var wanted: [VirtualPiece] = []
            for (shard, index) in shards {
                guard let values = part(shard) else { continue }
                let zero = values.shape.dropFirst().map { _ in 0 }
                wanted.append(
                    VirtualPiece(
                        file: Files.lastPart(of: name.shard(index, of: count)), dataset: object,
                        sourceShape: values.shape, sourceStart: [0] + zero, start: [start] + zero, count: values.shape))
                start += shard.count
            }
            // A shard without samples has nothing to show.
            wanted.removeAll { $0.count.contains(0) }
            let found = try file.dataset(object)
            let shape = [start] + (part(first)?.shape.dropFirst() ?? [])
            if found.shape != shape { report(path, "\(object): has shape \(found.shape), should be \(shape)") }
            let pieces = try found.virtualSources().sorted { $0.start[0] < $1.start[0] }
            if let index = wanted.indices.first(where: { !pieces.indices.contains($0) || pieces[$0] != wanted[$0] }) {
                report(path, "\(object): does not show \(wanted[index].file) as it is; pack the data anew")
            } else if pieces.count > wanted.count {
                report(path, "\(object): shows \(pieces.count) files, but there are \(wanted.count) shards")
            }
        }
    }
}
