import Foundation
import Storage
import TestSupport
import Testing

@testable import Datasets

/// Packings that are stopped, begun again, and shared.
@Suite struct DatasetPackingTests {
    let folder: TestFolder
    let source = MadeUpSource(count: 23)
    let options = PackOptions(shards: 4)

    init() throws { folder = try TestFolder() }

    private func packing(_ name: String, _ source: MadeUpSource? = nil, _ options: PackOptions? = nil) throws
        -> DatasetPacking
    {
        try DatasetPacking(source ?? self.source, to: folder("\(name)/set"), options ?? self.options)
    }

    /// Names and bytes of all files, hidden ones included.
    private func files(_ name: String) throws -> [String: [UInt8]] {
        let names = try Files.names(in: folder(name))
        return try Dictionary(uniqueKeysWithValues: names.map { ($0, try Files.read(folder("\(name)/\($0)"))) })
    }

    @Test func goesOnWithWhatIsMissing() throws {
        try DatasetWriter.write(source, to: folder("whole/set"), shards: 4)
        do {
            let first = try packing("parts")
            try first.begin()
            try first.pack(2)
            try first.pack(0)
            // As a kill leaves it: half a shard.
            try AtomicFile.write("half", to: "\(first.folder)/.partial-set-00001-of-00004.h5")
        }
        #expect(try Files.names(in: folder("parts")) == [".packing-set"])
        #expect(throws: DatasetError.self) { try ShardedDataset(path: folder("parts/set")) }
        let second = try packing("parts")
        try second.begin()
        #expect(try second.missing() == [1, 3])
        // Another process joins, and each packs a shard.
        let other = try packing("parts")
        try other.join()
        try other.pack(3)
        try second.pack(1)
        let outcome = try second.finish()
        #expect(outcome.samples == 23 && outcome.leftOut.isEmpty && outcome.files.count == 5)
        #expect(try files("parts") == files("whole"))
        #expect(DatasetVerifier.verify(path: folder("parts/set")).isSound)
    }

    @Test func onlyTheSamePackingGoesOn() throws {
        do {
            let first = try packing("set")
            try first.begin()
            try first.pack(0)
        }
        func refusal(_ source: MadeUpSource? = nil, _ options: PackOptions? = nil) throws -> String {
            let error = try dataFailure { try packing("set", source, options).begin() }
            #expect(error.kind == .usage && error.file == folder("set/.packing-set"))
            return error.message
        }
        #expect(try refusal(nil, PackOptions(shards: 5)).contains("\"shards 4\", and this one is of \"shards 5\""))
        #expect(try refusal(MadeUpSource(count: 24)).contains("samples 24"))
        #expect(try refusal(nil, PackOptions(shards: 4, deflate: 3)).contains("deflate 3"))
        #expect(try refusal(nil, PackOptions(shards: 4, licence: "CC0")).contains("licence CC0"))
        let shuffled = try DatasetPacking(ShuffledSource(source, seed: 3), to: folder("set/set"), options)
        #expect(try dataFailure { try shuffled.begin() }.message.contains("shuffled by 3"))
        try damage(folder("set/.packing-set/settings")) { $0[20] ^= 1 }
        #expect(try refusal().contains("nothing that can be read"))
    }

    /// Where a sample could not be read, the same command goes on without such; not the other way round, for what is
    /// packed by then may lack some.
    @Test func goesOnWithoutWhatCannotBeRead() throws {
        var bad = source
        bad.change = { index, _ in if index == 20 { throw StorageError(.malformed, "image 20", "is bad") } }
        do {
            let first = try packing("set", bad)
            try first.begin()
            try first.pack(0)
            let error = storageError { try first.pack(3) }
            #expect(error?.path == "image 20" && error?.message.hasSuffix("with --unreadable skip") == true)
        }
        let skipping = PackOptions(shards: 4, unreadable: .skip)
        do {
            let second = try packing("set", bad, skipping)
            try second.begin()
            #expect(try second.missing() == [1, 2, 3])
            try second.pack(3)
            // Others see what it is by now.
            try packing("set", bad, skipping).join()
        }
        #expect(try dataFailure { try packing("set", bad).begin() }.message.contains("unreadable fail"))
        let third = try packing("set", bad, skipping)
        try third.begin()
        for shard in try third.missing() { try third.pack(shard) }
        let outcome = try third.finish()
        #expect(outcome.samples == 22 && outcome.leftOut.count == 1)
    }

    @Test func ranksTellHowFarTheyAre() throws {
        let packing = try packing("set")
        try packing.begin()
        #expect(packing.taken(rank: 1) == 0)
        packing.tell(taken: 12, rank: 1)
        packing.tell(taken: 3, rank: 2)
        packing.tell(taken: 17, rank: 1)
        #expect(packing.taken(rank: 1) == 17 && packing.taken(rank: 2) == 3)
        for shard in try packing.missing() { try packing.pack(shard) }
        _ = try packing.finish()
        #expect(try !Files.names(in: folder("set")).contains { $0.hasPrefix(".") })
        #expect(packing.taken(rank: 1) == 0)
        // Told too late, to nobody.
        packing.tell(taken: 23, rank: 1)
        #expect(try !Files.exists(packing.folder))
    }

    @Test func oneAtATime() throws {
        let first = try packing("set")
        try first.begin()
        let error = try dataFailure { try packing("set").begin() }
        #expect(error.message.contains("another process"))
        try first.pack(0)
        first.abandon()
        #expect(try Files.names(in: folder("set")).isEmpty)
        try packing("set").begin()
    }

    /// Stopped while files take their places, after each of them.
    @Test func placesWhatIsLeft() throws {
        try DatasetWriter.write(source, to: folder("whole/set"), shards: 4)
        let order = try files("whole").keys.sorted { a, b in
            func rank(_ name: String) -> Int { name.hasSuffix(".digest") ? 0 : name == "set.h5" ? 1 : 2 }
            return (rank(a), a) < (rank(b), b)
        }
        for placed in 0...order.count {
            let name = "stopped-\(placed)"
            do {
                let first = try packing(name)
                try first.begin()
                for shard in try first.missing() { try first.pack(shard) }
                try first.settle()
                for file in order.prefix(placed) {
                    try AtomicFile.rename(from: "\(first.folder)/\(file)", to: folder("\(name)/\(file)"))
                }
            }
            #expect((try? ShardedDataset(path: folder("\(name)/set"))) == nil || placed == order.count)
            let second = try packing(name)
            try second.begin()
            #expect(try second.missing() == [])
            #expect(try second.finish().samples == 23)
            #expect(try files(name) == files("whole"), "after \(placed) files")
            // Now it is finished, and never replaced.
            #expect(try dataFailure { try packing(name).begin() }.message.contains("never replaced"))
        }
    }

    @Test func failuresKeepWholeShards() throws {
        var late = source
        late.change = { index, _ in if index == 20 { throw StorageError(.malformed, "image 20", "is bad") } }
        let packing = try packing("set", late)
        try packing.begin()
        try packing.pack(0)
        #expect(try dataFailure { try packing.pack(3) }.file == "image 20")
        packing.markFailure()
        #expect(packing.hasFailed && packing.abandonIfEmpty())
        #expect(try packing.missing() == [1, 2, 3])
        // Where none is done, nothing stays.
        let other = try self.packing("other", late)
        try other.begin()
        #expect(throws: StorageError.self) { try other.pack(3) }
        #expect(!other.abandonIfEmpty())
        #expect(try Files.names(in: folder("other")).isEmpty)
    }

    @Test func whatCannotBeReadIsLeftOut() throws {
        var holes = source
        holes.change = { index, _ in
            if [3, 9, 10, 22].contains(index) { throw StorageError(.malformed, "image \(index)", "is bad") }
        }
        let skipping = PackOptions(shards: 4, unreadable: .skip)
        let packing = try packing("set", holes, skipping)
        try packing.begin()
        for shard in try packing.missing() { try packing.pack(shard) }
        let outcome = try packing.finish()
        #expect(outcome.samples == 19)
        #expect(outcome.leftOut == [3, 9, 10, 22].map { "image \($0): is bad" })
        let dataset = try ShardedDataset(path: folder("set/set"))
        let kept = (0..<23).filter { ![3, 9, 10, 22].contains($0) }
        #expect(try read(dataset, Array(0..<19)).images == kept.flatMap(holes.expected))
        #expect(dataset.classLabels == kept.map(holes.classLabel))
        #expect(DatasetVerifier.verify(path: folder("set/set")).isSound)
        #expect(
            try Peer.python(
                "import h5py; f = h5py.File('set.h5'); print(f['images'].shape[0], f['labels'][-1], f['images'][-1, 0, 0, 0])",
                in: folder("set")) == "19 \(holes.classLabel(21)) \(Int(holes.stored(21)[0]))")

        // Other errors are not about a file that cannot be read.
        holes.change = { index, _ in if index == 9 { throw DatasetError(.malformed, "image 9", "is of another size") } }
        let other = try self.packing("other", holes, skipping)
        try other.begin()
        #expect(try dataFailure { try other.pack(1) }.message.contains("another size"))
        holes.change = { index, _ in if index < 6 { throw StorageError(.malformed, "image \(index)", "is bad") } }
        let none = try self.packing("none", holes, skipping)
        try none.begin()
        let error = try dataFailure { try none.pack(0) }
        #expect(error.message.contains("not one of its 5 samples") && error.message.contains("image 0: is bad"))
    }
}
