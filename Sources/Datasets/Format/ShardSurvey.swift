import Storage

/// Which shards of a data set are there, judged by their names alone.
struct ShardSurvey {
    let name: DatasetName
    /// How many shards there should be; 0 if that is not known.
    private(set) var count = 0
    /// The numbers of those that are there, rising.
    private(set) var present: [Int] = []
    /// What is wrong; empty for a data set that is all there.
    private(set) var problems: [DatasetError] = []

    init(_ name: DatasetName) {
        self.name = name
        let files: [String]
        do {
            files = try Files.names(in: name.folder)
        } catch {
            problems = [
                DatasetError(.missing, name.base, "there is no such data set: its folder cannot be listed (\(error))")
            ]
            return
        }
        let shards = files.compactMap(DatasetName.parseShard).filter { $0.name == name.name }
        let counts = Set(shards.map(\.count)).sorted()
        switch counts.count {
        case 0: problems = [nothingFound(among: files)]
        case 1: takeStock(shards.map(\.index), of: counts[0])
        default:
            let sets = counts.map { "\(name.name)-*-of-\($0)" }.joined(separator: " and ")
            problems = [
                DatasetError(
                    .malformed, name.base,
                    "shards of different data sets lie side by side: \(sets); remove those you do not want")
            ]
        }
    }

    /// The paths of all shards, in order.
    ///
    /// - Throws: ``DatasetError`` if any is missing.
    func paths() throws -> [String] {
        if let problem = problems.first { throw problem }
        return (0..<count).map { name.shard($0, of: count) }
    }

    private mutating func takeStock(_ indices: [Int], of count: Int) {
        self.count = count
        present = indices.sorted()
        for index in present where index >= count {
            let file = name.shard(index, of: count)
            problems.append(DatasetError(.malformed, file, "is not one of 0 to \(count - 1); its name is wrong"))
        }
        present.removeAll { $0 >= count }
        let here = Set(present)
        for index in 0..<count where !here.contains(index) {
            problems.append(
                DatasetError(
                    .missing, name.shard(index, of: count),
                    "this shard is missing: \(here.count) of \(count) are there; copy it beside them"))
        }
    }

    private func nothingFound(among files: [String]) -> DatasetError {
        // Only for better advice: no shard was found, whatever else is.
        if (try? Files.exists(name.whole)) == true {
            return DatasetError(
                .missing, name.whole,
                "this file only points at shards, and none is there: copy \(name.name)-00000-of-*.h5 and so on beside it"
            )
        }
        var folder = name.folder
        var others = Set(files.compactMap { DatasetName.parseShard($0)?.name })
        if (try? Files.isDirectory(name.base)) == true, let inside = try? Files.names(in: name.base) {
            folder = name.base
            others = Set(inside.compactMap { DatasetName.parseShard($0)?.name })
        }
        let hint =
            others.isEmpty
            ? "pack one with `fpdm data pack SOURCE --output \(name.base)`"
            : "there is " + others.sorted().map { folder == "." ? $0 : "\(folder)/\($0)" }.joined(separator: ", ")
        return DatasetError(
            .missing, name.base, "there is no data set of this name (\(name.name)-00000-of-*.h5); \(hint)")
    }
}
