import Foundation
import Storage
import TestSupport
import Testing

@testable import Datasets

@Suite struct DatasetFingerprintTests {
    static let sources = [
        MadeUpSource(count: 23), MadeUpSource(count: 23, labels: .continuous(3)),
        MadeUpSource(count: 23, type: .float32, labels: .continuous(2)),
        MadeUpSource(count: 23, type: .float32, labels: .none),
    ]
    private let folder: TestFolder

    init() throws { folder = try TestFolder() }

    private func fingerprint(_ name: String) throws -> DatasetFingerprint {
        try ShardedDataset(path: folder(name)).fingerprint()
    }

    private func packed(
        _ source: any PackSource, _ name: String, shards: Int = 2, content: String = "pixels"
    ) throws -> DatasetFingerprint {
        try DatasetWriter.write(source, to: folder(name), shards: shards, content: content)
        return try fingerprint(name)
    }

    /// From the definition: bit by bit.
    private func crc(_ bytes: [UInt8]) -> UInt32 {
        var crc = ~UInt32(0)
        for byte in bytes {
            crc ^= UInt32(byte)
            for _ in 0..<8 { crc = (crc >> 1) ^ (crc & 1 == 1 ? 0x82F6_3B78 : 0) }
        }
        return ~crc
    }

    private func bytes(_ value: UInt32) -> [UInt8] { (0..<4).map { UInt8(truncatingIfNeeded: value >> (8 * $0)) } }

    @Test(arguments: sources) func isWhatItIsDefinedAs(_ source: MadeUpSource) throws {
        let found = try packed(source, "set")
        #expect(found.count == 23 && found.imageShape == [2, 3, 3] && found.type == source.type)
        let samples = (0..<source.count).map { index in
            crc(source.stored(index).flatMap { source.type == .uint8 ? [UInt8($0)] : bytes($0.bitPattern) })
        }
        #expect(found.pixels == crc(samples.flatMap(bytes)))
        let labels =
            switch source.labels {
            case .classes: (0..<23).flatMap { bytes(UInt32(bitPattern: source.classLabel($0))) }
            case .continuous: (0..<23).flatMap { source.vector($0).flatMap { bytes($0.bitPattern) } }
            case .none: [UInt8]()
            }
        #expect(found.labels == crc(labels))
    }

    @Test(arguments: sources) func shardsMakeNoDifference(_ source: MadeUpSource) throws {
        let one = try packed(source, "one", shards: 1)
        for shards in [2, 5, 23] {
            #expect(try packed(source, "set\(shards)", shards: shards) == one)
        }
    }

    /// A data set as other programs write it: no digests, chunks of another shape or none, shards of odd lengths.
    private func foreign(
        _ source: MadeUpSource, _ name: String, _ type: HDF5Type, layout: DatasetLayout, scale: Double = 1.0 / 128
    ) throws -> DatasetFingerprint {
        let ranges = [0..<4, 4..<4, 4..<source.count]
        for (index, range) in ranges.enumerated() {
            let file = try HDF5File.create(DatasetName(folder(name)).shard(index, of: ranges.count))
            try DatasetAttributes(scale: scale, shift: -1, source: "elsewhere").write(to: file)
            let shape = [range.count, source.channels, source.side, source.side]
            try file.createDataset("/images", type, shape: shape, layout: layout).write(range.flatMap(source.stored))
            switch source.labels {
            case .none: break
            case .classes:
                try file.createDataset("/labels", .int64, shape: [range.count]).write(range.map(source.classLabel))
            case .continuous(let length):
                try file.createDataset("/labels", .float64, shape: [range.count, length])
                    .write(range.flatMap(source.vector))
            }
            try file.close()
        }
        return try fingerprint(name)
    }

    @Test(arguments: sources) func foreignSetsAreHashed(_ source: MadeUpSource) throws {
        let wanted = try packed(source, "packed", shards: 3)
        let type: HDF5Type = source.type == .uint8 ? .uint8 : .float32
        let layouts: [DatasetLayout] = [.contiguous, .chunked([3, 1, 2, 3]), .chunked([30, 2, 3, 3])]
        for (index, layout) in layouts.enumerated() {
            #expect(try foreign(source, "set\(index)", type, layout: layout) == wanted)
        }
        let other = try foreign(source, "scaled", type, layout: .contiguous, scale: 0.5)
        #expect(other.differences(from: wanted) == ["content, scale, shift or the kind of labels differ"])
    }

    /// In pieces: more than one read call takes, with chunks that do not divide it.
    @Test func largeForeignSetsAreHashedInPieces() throws {
        let source = MadeUpSource(count: 301, channels: 3, side: 80, labels: .none)
        let wanted = try packed(source, "packed")
        #expect(try foreign(source, "whole", .uint8, layout: .contiguous) == wanted)
        #expect(try foreign(source, "chunks", .uint8, layout: .chunked([37, 3, 80, 80])) == wanted)
    }

    /// Half precision is read as float32, and is the same data set as one of float32 with equal values.
    @Test func halfPrecision() throws {
        var source = MadeUpSource(count: 23, type: .float32, labels: .continuous(2))
        let halves = source
        source.change = { index, sample in
            sample.values = .floats(halves.stored(index).map { Float(Float16($0)) })
        }
        let half = try foreign(halves, "half", .float16, layout: .chunked([5, 2, 3, 3]))
        #expect(half == (try packed(source, "single")))
        #expect(half.differences(from: try packed(halves, "unrounded")) == ["pixels differ"])
    }

    /// Some of its shards may come from elsewhere.
    @Test func shardsWithAndWithoutDigests() throws {
        let source = MadeUpSource(count: 23, labels: .none)
        let wanted = try packed(source, "set", shards: 3)
        let path = folder("set-00001-of-00003.h5")
        for file in [path, HDF5Digest.path(for: path)] { try AtomicFile.removeTree(file) }
        let file = try HDF5File.create(path)
        try DatasetAttributes(scale: 1.0 / 128, shift: -1).write(to: file)
        try file.createDataset("/images", .uint8, shape: [8, 2, 3, 3]).write((7..<15).flatMap(source.stored))
        try file.close()
        let dataset = try ShardedDataset(path: folder("set"))
        #expect(try dataset.fingerprint() == wanted && !dataset.hasDigests)
        #expect(try read(dataset, [0, 9, 22]).images == [0, 9, 22].flatMap(source.expected))
    }

    @Test func readsNoPixelsWhereThereAreDigests() throws {
        let source = MadeUpSource(labels: .none)
        let wanted = try packed(source, "set", shards: 1)
        try damage(folder("set-00000-of-00001.h5")) { bytes in
            bytes[try #require(position(of: source.stored(5).map { UInt8($0) }, in: bytes))] ^= 1
        }
        #expect(try fingerprint("set") == wanted)
        #expect(throws: StorageError.self) { try ShardedDataset(path: folder("set")).allImages() }
    }

    @Test func otherDataDiffer() throws {
        let source = MadeUpSource(count: 1797)
        let first = try packed(ShuffledSource(source, seed: 0), "set")
        #expect(try packed(ShuffledSource(source, seed: 0), "again").differences(from: first) == [])

        let reseeded = try packed(ShuffledSource(source, seed: 1), "reseeded")
        #expect(reseeded.differences(from: first) == ["labels differ", "pixels differ"])

        let straight = try packed(source, "straight")
        let fewer = try packed(MadeUpSource(count: 1796), "fewer")
        #expect(fewer.differences(from: straight) == ["it has 1,796 samples, the recorded one 1,797"])

        for (name, scaling) in [("scaled", (0.5, -1.0)), ("shifted", (0.25, 0.0))] {
            let other = try packed(MadeUpSource(count: 1797, scaling: scaling), name)
            #expect(other.differences(from: straight) == ["content, scale, shift or the kind of labels differ"])
        }
        let latents = try packed(source, "latents", content: "latents")
        #expect(latents.differences(from: straight) == ["content, scale, shift or the kind of labels differ"])

        var changed = source
        changed.change = { index, sample in if index == 900 { sample.label = .class(5) } }
        #expect(try packed(changed, "label").differences(from: straight) == ["labels differ"])
        changed.change = { index, sample in
            guard index == 900, case .bytes(var bytes) = sample.values else { return }
            bytes[17] ^= 1
            sample.values = .bytes(bytes)
        }
        #expect(try packed(changed, "pixel").differences(from: straight) == ["pixels differ"])

        let wide = try packed(MadeUpSource(count: 1797, side: 4), "wide")
        #expect(wide.differences(from: straight) == ["its images are [2, 4, 4], the recorded ones [2, 3, 3]"])
        let floats = try packed(MadeUpSource(count: 1797, type: .float32), "floats")
        #expect(floats.differences(from: straight) == ["its images are float32, the recorded ones uint8"])
        let bare = try packed(MadeUpSource(count: 1797, labels: .none), "bare")
        #expect(
            bare.differences(from: straight) == ["content, scale, shift or the kind of labels differ", "labels differ"])
    }

    /// Labels edited in place, with their checksums made anew, as h5py does.
    @Test func editedLabels() throws {
        for (labels, name) in [(DatasetLabels.classes, "classes"), (.continuous(2), "vectors")] {
            let before = try packed(MadeUpSource(labels: labels), name)
            try edit(folder("\(name)-00001-of-00002.h5")) { file in
                let values = try file.dataset("/labels")
                var old = try values.read(Float.self)
                old[3] += 1
                try values.write(old)
            }
            #expect(try fingerprint(name).differences(from: before) == ["labels differ"])
        }
    }

    /// What is no part of what a model sees may be mended.
    @Test func namesAndSourceAreFree() throws {
        let before = try packed(MadeUpSource(), "set", shards: 1)
        try edit(folder("set-00000-of-00001.h5")) { file in
            try file.setAttribute("source", "another")
            try file.setAttribute("labelNames", (0..<7).map { "c\($0)" })
        }
        #expect(try fingerprint("set") == before)
        try edit(folder("set-00000-of-00001.h5")) { try $0.setAttribute("scale", 0.5) }
        #expect(try fingerprint("set") != before)
    }

    @Test func textAndBack() throws {
        let fingerprint = DatasetFingerprint(
            count: 1797, imageShape: [1, 8, 8], type: .uint8, attributes: 0x1a2b_3c4d, labels: 0x0000_7a8b, pixels: 0)
        let text = "1797 samples [1, 8, 8] uint8; attributes 1a2b3c4d, labels 00007a8b, pixels 00000000"
        #expect(fingerprint.description == text)
        #expect(DatasetFingerprint(text) == fingerprint)
        #expect(String(decoding: try JSONEncoder().encode([fingerprint]), as: UTF8.self) == "[\"\(text)\"]")
        #expect(try JSONDecoder().decode([DatasetFingerprint].self, from: Data("[\"\(text)\"]".utf8)) == [fingerprint])
        let others = [
            "", text + " ", " " + text, text.uppercased(), "0" + text, "-" + text, String(text.dropLast()),
            text.replacing("uint8", with: "uint9"), text.replacing("1a2b", with: "1A2B"),
            text.replacing("1a2b", with: "+a2b"), text.replacing("8, 8", with: "8"),
            text.replacing("1797", with: "99999999999999999999"),
        ]
        for other in others {
            #expect(DatasetFingerprint(other) == nil, "\(other)")
            #expect(throws: DecodingError.self) {
                try JSONDecoder().decode([DatasetFingerprint].self, from: JSONEncoder().encode([other]))
            }
        }
    }
}
