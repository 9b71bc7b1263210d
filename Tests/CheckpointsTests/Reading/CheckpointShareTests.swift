import Foundation
import Storage
import TestSupport
import Testing

@testable import Checkpoints

/// A checkpoint that several ranks go through, each its share; one process plays all of them.
@Suite struct CheckpointShareTests {
    /// A checkpoint as ranks open it, and what they read of it in each pass.
    private func passes(_ path: String, ranks: Int) throws -> [(parts: [[CheckpointPart]], bytes: [Int])] {
        let head = try CheckpointReader(unchecked: path).text()
        let readers = try (0..<ranks).map { _ in try CheckpointReader(text: head) }
        return try [CheckpointReader.digestFiles, CheckpointReader.digestPieces].map { digest in
            var bytes: [Int] = []
            let parts = try readers.enumerated().map { rank, reader in
                let before = reader.bytesRead
                defer { bytes.append(reader.bytesRead - before) }
                return try digest(reader)(rank, ranks)
            }
            return (parts, bytes)
        }
    }

    /// In any order, and as ranks send them.
    private func sent(_ parts: [[CheckpointPart]]) -> [CheckpointPart] {
        CheckpointPart.parts(parts.reversed().flatMap { CheckpointPart.numbers($0) })
    }

    @Test(arguments: [1, 2, 4], [1, 2, 3, 5, 40]) func eachRankReadsItsShare(writers: Int, ranks: Int) throws {
        let fixture = try CheckpointFixture()
        let path = try fixture.write(step: 1, writers: writers)
        let reader = try CheckpointReader(unchecked: path)
        let sizes = try names(in: path).filter { $0.hasPrefix("rank-") }.map { try Files.size(of: "\(path)/\($0)") }
        let values = 4 * fixture.tensors().reduce(0) { $0 + $1.values.count }
        // A row belongs to one rank; the longest here has 997 values.
        for (pass, (all, slack)) in try zip(passes(path, ranks: ranks), [(sizes.reduce(0, +), 1), (values, 997 * 4)]) {
            #expect(pass.bytes.reduce(0, +) == all)
            #expect(pass.bytes.allSatisfy { abs($0 - all / ranks) <= slack }, "\(pass.bytes) of \(all)")
            let parts = pass.parts.flatMap { $0 }
            #expect(parts.reduce(0) { $0 + $1.bytes.count } == all)
            #expect(CheckpointPart.parts(CheckpointPart.numbers(parts)) == parts)
            try reader.check(sent(pass.parts))
        }
        #expect(try CheckpointReader(text: reader.text()).metadata == reader.metadata)
        #expect(try CheckpointReader(text: reader.text()).index == reader.index)
    }

    @Test(arguments: [1, 2, 4], [1, 2, 3, 5]) func whatAnyRankReadsIsFound(writers: Int, ranks: Int) throws {
        let fixture = try CheckpointFixture()
        let path = try fixture.write(step: 1, writers: writers)
        let name = CheckpointNames.rank(writers - 1, of: writers)
        let bytes = try Files.read("\(path)/\(name)")
        for offset in [0, bytes.count / 3, bytes.count / 2, bytes.count - 1] {
            try damage("\(path)/\(name)") { $0[offset] ^= 4 }
            let pass = try CheckpointReader(unchecked: path)
            let parts = try (0..<ranks).map { try pass.digestFiles(share: $0, of: ranks) }
            try checkpointFailure(.damaged, naming: name, "have changed") { try pass.check(sent(parts)) }
            try AtomicFile.write(bytes, to: "\(path)/\(name)")
        }
        // Between memory and file: all files are as they were written.
        for (place, start) in [("/model/wide", [0, 500]), ("/optimizer/v/tall", [3, 0]), ("/ema/tall", [2, 0])] {
            let copy = fixture("copy")
            try AtomicFile.removeTree(copy)
            try FileManager.default.copyItem(atPath: path, toPath: copy)
            let index = try CheckpointIndex(readingIn: path)
            let file = try #require(index.tensors.first { "/\($0.path)" == place }?.pieces.last?.file)
            try fixture.reseal(copy, file: file) { try $0.dataset(place).write([7.25], start: start) }
            let found = try passes(copy, ranks: ranks)
            let reader = try CheckpointReader(unchecked: copy)
            try reader.check(sent(found[0].parts))
            try checkpointFailure(.damaged, naming: "\(copy)/\(file)", "\(place): its values have changed") {
                try reader.check(sent(found[1].parts))
            }
        }
    }

    /// Another order of damage than that of ranks: all ranks name the same, the first file's.
    @Test func theFirstFileIsNamed() throws {
        let fixture = try CheckpointFixture()
        let path = try fixture.write(step: 1, writers: 3)
        for writer in [1, 2] { try damage("\(path)/\(CheckpointNames.rank(writer, of: 3))") { $0[$0.count / 2] ^= 4 } }
        let reader = try CheckpointReader(unchecked: path)
        let parts = try (0..<5).map { try reader.digestFiles(share: $0, of: 5) }
        for parts in [parts, parts.reversed()] {
            try checkpointFailure(.damaged, naming: "rank-00001-of-00003.h5") { try reader.check(parts.flatMap { $0 }) }
        }
    }

    /// What was corrupted between memory and file is skipped like any other damage, by one process too.
    @Test func resealedDamageIsSkipped() throws {
        let fixture = try CheckpointFixture()
        for step in [1, 2] { try fixture.write(step: step, writers: 2) }
        let path = try fixture.write(step: 3, writers: 2)
        try fixture.reseal(path, file: "rank-00001-of-00002.h5") {
            try $0.dataset("/optimizer/m/wide").write([1], start: [0, 1])
        }
        let (reader, skipped) = try #require(try fixture.store.latestValid())
        #expect(reader.metadata.step == 2 && skipped.map(\.path) == [path])
        #expect(skipped[0].reason.contains("rank-00001-of-00002.h5: /optimizer/m/wide: its values have changed"))
    }

    @Test func candidatesTravelAsText() throws {
        let fixture = try CheckpointFixture()
        #expect(try CheckpointCandidates(text: CheckpointCandidates(fixture.store).text()).isEmpty)
        for step in [1, 2] { try fixture.write(step: step) }
        let candidates = try CheckpointCandidates(text: CheckpointCandidates(fixture.store).text())
        var tried: [String] = []
        var skipped: [String] = []
        func skip(_ one: CheckpointStore.Skipped) { skipped.append(one.path) }
        let found = try candidates.latestValid(skipped: skip) { path in
            tried.append(path)
            if path.hasSuffix("2") { throw CheckpointError(.damaged, path, "so be it") }
            return try CheckpointReader.open(path)
        }
        #expect(tried.map { $0.suffix(1) } == ["2", "1"] && skipped == [tried[0]] && found.metadata.step == 1)
        // A named one is not skipped.
        try checkpointFailure(.damaged, naming: "so be it") {
            _ = try CheckpointCandidates(under: tried[0]).latestValid(skipped: skip) {
                throw CheckpointError(.damaged, $0, "so be it")
            }
        }
        #expect(skipped == [tried[0]])
    }

    /// A rank whose parts are left out is a caller's bug, no damage.
    @Test func everyByteOnce() async {
        await #expect(processExitsWith: .success) { try Self.check(parts: [0, 1, 2]) }
        await #expect(processExitsWith: .failure) { try Self.check(parts: [0, 2]) }
        await #expect(processExitsWith: .failure) { try Self.check(parts: [0, 1]) }
        await #expect(processExitsWith: .failure) { try Self.check(parts: [0, 1, 1, 2]) }
    }

    private static func check(parts shares: [Int]) throws {
        let fixture = try CheckpointFixture()
        let reader = try CheckpointReader(unchecked: fixture.write(step: 1))
        try reader.check(shares.flatMap { try reader.digestFiles(share: $0, of: 3) })
        withExtendedLifetime(fixture) {}
    }
}
