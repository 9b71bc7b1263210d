import Foundation
import Storage
import TestSupport
import Testing

@testable import Datasets

@Suite struct DataFaultTests {
    let folder: TestFolder
    var set: String { folder("set") }
    var first: String { folder("set-00000-of-00002.h5") }
    var second: String { folder("set-00001-of-00002.h5") }
    let source = MadeUpSource(labelNames: (0..<7).map { "c\($0)" })

    init() throws {
        folder = try TestFolder()
        try DatasetWriter.write(source, to: folder("set"), shards: 2)
    }

    private func opening(
        location: SourceLocation = #_sourceLocation
    ) throws -> (kind: DatasetTrouble?, file: String, message: String) {
        try dataFailure(location: location) { _ = try ShardedDataset(path: set) }
    }

    /// The problems that verifying finds, at least one.
    private func problems(location: SourceLocation = #_sourceLocation) -> [DatasetVerification.Problem] {
        let found = DatasetVerifier.verify(path: set).problems
        #expect(!found.isEmpty, sourceLocation: location)
        return found
    }

    @Test func missingShard() throws {
        try AtomicFile.removeTree(second)
        let error = try opening()
        #expect(error.kind == .missing && error.file == second)
        #expect(error.message.contains("1 of 2"))
        #expect(problems().map(\.file) == [second])
    }

    @Test func nothingThere() throws {
        let error = try dataFailure { _ = try ShardedDataset(path: folder("sett")) }
        #expect(error.kind == .missing && error.message.contains(set), "names what is there")
        let inside = try dataFailure { _ = try ShardedDataset(path: folder.path) }
        #expect(inside.kind == .missing && inside.message.contains(set))
        let lost = try dataFailure { _ = try ShardedDataset(path: folder("no/where")) }
        #expect(lost.kind == .missing)
        for file in [first, second] { try AtomicFile.removeTree(file) }
        let alone = try opening()
        #expect(alone.kind == .missing && alone.file == folder("set.h5") && alone.message.contains("points at shards"))
        try AtomicFile.removeTree(folder("set.h5"))
        #expect(try opening().message.contains("fpdm data pack"))
        #expect(problems().count == 1)
    }

    @Test func shardsOfTwoPackings() throws {
        try AtomicFile.rename(from: second, to: folder("set-00001-of-00003.h5"))
        let error = try opening()
        #expect(error.kind == .malformed && error.message.contains("of-2 and set-*-of-3"))
        try AtomicFile.rename(from: folder("set-00001-of-00003.h5"), to: folder("set-00002-of-00002.h5"))
        #expect(try opening().file == folder("set-00002-of-00002.h5"))
    }

    @Test func truncatedShard() throws {
        try damage(second) { $0.removeLast($0.count / 3) }
        let error = try opening()
        #expect(error.kind == .malformed && error.file == second && error.message.contains("truncated"))
        #expect(problems().map(\.file) == [second])
        try damage(second) { $0 = [] }
        #expect(try opening().file == second)
    }

    @Test func damagedImages() throws {
        // The second shard's first image, as it lies in the file.
        try damage(second) { bytes in
            let image = source.stored(5).map { UInt8($0) }
            bytes[try #require(position(of: image, in: bytes))] ^= 1
        }
        let dataset = try ShardedDataset(path: set)
        let error = try dataFailure { _ = try read(dataset, [7]) }
        #expect(error.kind == .malformed && error.file == second)
        #expect(error.message.contains("/images") && error.message.contains("damaged"))
        // The other shard is as good as before.
        #expect(try read(dataset, [4]).images == source.expected(4))
        let found = problems()
        #expect(found.map(\.file) == [second] && found[0].message.contains("samples 0 to 5"))
    }

    @Test func damagedLabels() throws {
        try damage(first) { bytes in
            let labels = (0..<5).flatMap { index -> [UInt8] in [UInt8(source.classLabel(index)), 0, 0, 0] }
            bytes[try #require(position(of: labels, in: bytes))] ^= 1
        }
        let error = try opening()
        #expect(error.kind == .malformed && error.file == first && error.message.contains("/labels"))
        #expect(problems().map(\.file) == [first])
    }

    @Test func damagedHeader() throws {
        for place in [0, 9] {
            let bytes = try Files.read(first)
            try damage(first) { $0[place] ^= 0xFF }
            #expect(try opening().file == first)
            try AtomicFile.write(bytes, to: first)
        }
        #expect(try ShardedDataset(path: set).count == 11)
    }

    @Test(arguments: [
        ("version", "2", "version"), ("content", "paintings", "content"), ("scale", "0", "scale"),
        ("shift", "text", "shift"), ("scale", "0.5", "scale"), ("labelNames", "a", "labelNames"),
        ("source", "elsewhere", "source"),
    ])
    func wrongAttribute(_ name: String, _ value: String, _ named: String) throws {
        try edit(second) { file in
            if let number = Int(value) {
                try file.setAttribute(name, number)
            } else if let number = Double(value) {
                try file.setAttribute(name, number)
            } else {
                try file.setAttribute(name, value)
            }
        }
        let error = try opening()
        #expect(error.kind == .malformed && error.file == second && error.message.contains("attribute \(named)"))
        #expect(problems().map(\.file).contains(second))
    }

    @Test func notADataset() throws {
        for path in [first, HDF5Digest.path(for: first)] { try AtomicFile.removeTree(path) }
        let file = try HDF5File.create(first)
        try file.close()
        let error = try opening()
        #expect(error.file == first && error.message.contains("lacks the attribute version"))
    }

    /// Puts another file into the second shard's place.
    private func replaceSecond(
        images: [Int] = [6, 2, 3, 3], _ type: HDF5Type = .uint8, labels: [Int]? = [6], _ labelType: HDF5Type = .int32,
        without: String? = nil
    ) throws {
        for path in [second, HDF5Digest.path(for: second)] { try AtomicFile.removeTree(path) }
        let file = try HDF5File.create(second)
        try DatasetAttributes(scale: 1.0 / 128, shift: -1, labelNames: source.labelNames).write(to: file)
        if without != "/images" { _ = try file.createDataset("/images", type, shape: images) }
        if let labels { _ = try file.createDataset("/labels", labelType, shape: labels) }
        try file.close()
    }

    @Test func wrongLayout() throws {
        try replaceSecond()
        _ = try ShardedDataset(path: set)
        let wrong: [(what: String, make: () throws -> Void)] = [
            ("shape of an image is [2, 4, 4]", { try replaceSecond(images: [6, 2, 4, 4]) }),
            ("shape of an image is [1, 3, 3]", { try replaceSecond(images: [6, 1, 3, 3]) }),
            ("square", { try replaceSecond(images: [6, 2, 3, 4]) }),
            ("[samples, channels, side, side]", { try replaceSecond(images: [6, 9]) }),
            ("type float64", { try replaceSecond(.float64) }),
            ("the type is float32", { try replaceSecond(.float32) }),
            ("there are 6 images", { try replaceSecond(labels: [5]) }),
            ("should be int32", { try replaceSecond(labels: [6], .float32) }),
            ("vectors of 2", { try replaceSecond(labels: [6, 2], .float32) }),
            ("kind of labels is none", { try replaceSecond(labels: nil) }),
            ("no such data set", { try replaceSecond(without: "/images") }),
        ]
        for (what, make) in wrong {
            try make()
            let error = try opening()
            #expect(error.kind == .malformed && error.file == second)
            #expect(error.message.contains(what), "\(error.message)")
            #expect(problems().contains { $0.file == second && $0.message.contains(what) })
        }
    }

    @Test func allWrongIsReportedAtOnce() throws {
        try edit(first) { file in
            try file.dataset("/labels").write([Int32]([0, -1, 7, 1, 1]))
        }
        try damage(second) { bytes in
            let image = source.stored(5).map { UInt8($0) }
            bytes[try #require(position(of: image, in: bytes))] ^= 1
        }
        try AtomicFile.removeTree(folder("set.h5"))
        let found = problems()
        #expect(found.map(\.file) == [first, first, second])
        // Convenient, but not needed: no fault.
        #expect(DatasetVerifier.verify(path: folder("set")).notes.count == 1)
        #expect(found[0].message.contains("sample 1 has label -1"))
        #expect(found[1].message.contains("sample 2 has label 7"))
    }

    @Test func notFinite() throws {
        try DatasetWriter.write(MadeUpSource(type: .float32, labels: .continuous(2)), to: folder("floats"), shards: 2)
        let path = folder("floats-00001-of-00002.h5")
        for (object, place) in [("/images", [1, 0, 2, 1]), ("/labels", [3, 1])] {
            for bad in [Float.nan, .infinity, -.infinity] {
                var old: [Float] = []
                try edit(path) { file in
                    let one = place.map { _ in 1 }
                    let dataset = try file.dataset(object)
                    old = try dataset.read(Float.self, start: place, count: one)
                    try [bad].withUnsafeBufferPointer { try dataset.write($0, start: place, count: one) }
                }
                let error = try dataFailure { _ = try ShardedDataset(path: folder("floats")).allImages() }
                #expect(error.file == path && error.message.contains("\(object): sample \(place[0])"))
                let found = DatasetVerifier.verify(path: folder("floats")).problems
                #expect(found.count == 1 && found[0].message.contains("\(object): sample \(place[0])"))
                try edit(path) { file in
                    try old.withUnsafeBufferPointer {
                        try file.dataset(object).write($0, start: place, count: place.map { _ in 1 })
                    }
                }
            }
        }
        #expect(DatasetVerifier.verify(path: folder("floats")).isSound)
    }

    @Test func wholeFileOfOthers() throws {
        try DatasetWriter.write(source, to: folder("other"), shards: 2)
        for (from, to) in [("other.h5", "set.h5"), ("other.h5.digest", "set.h5.digest")] {
            try AtomicFile.removeTree(folder(to))
            try AtomicFile.rename(from: folder(from), to: folder(to))
        }
        let found = problems()
        #expect(found.allSatisfy { $0.file == folder("set.h5") } && found.count == 3)
        #expect(found[0].message.contains("set-00000-of-00002.h5"))
    }

    @Test func nothingIsReplacedAndNothingLeftBehind() throws {
        let before = try Files.names(in: folder.path)
        let bytes = try before.map { try Files.read(folder($0)) }
        for shards in [1, 2, 5] {
            let error = try dataFailure { try DatasetWriter.write(source, to: set, shards: shards) }
            #expect(error.message.contains("never replaced"))
        }
        let many = try dataFailure { try DatasetWriter.write(source, to: folder("new"), shards: 12) }
        #expect(many.kind == .usage)
        var late = source
        late.change = { index, sample in if index == 9 { throw DatasetError(.malformed, "image 9", "is bad") } }
        #expect(try dataFailure { try DatasetWriter.write(late, to: folder("new"), shards: 2) }.file == "image 9")
        late.change = { index, sample in if index == 9 { sample.label = .class(-1) } }
        #expect(try dataFailure { try DatasetWriter.write(late, to: folder("new")) }.message.contains("label -1"))
        var floats = MadeUpSource(type: .float32, labels: .none)
        floats.change = { index, sample in
            if index == 3 { sample.values = .floats([Float](repeating: .nan, count: 18)) }
        }
        #expect(try dataFailure { try DatasetWriter.write(floats, to: folder("new")) }.message.contains("sample 3"))
        #expect(try Files.names(in: folder.path) == before)
        #expect(try before.map { try Files.read(folder($0)) } == bytes)
        #expect(try dataFailure { try DatasetWriter.write(source, to: "/proc/new") }.file.hasPrefix("/proc/"))
    }
}
