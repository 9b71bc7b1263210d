import Foundation
import TestSupport
import Testing

@testable import Datasets

/// The data set that ships with the project.
@Suite struct DataDigitsTests {
    private let packed = "\(repository)/data/digits"
    private let csv = "\(repository)/data/digits.csv.gz"

    @Test func isSoundAndNamesItsSource() throws {
        #expect(DatasetVerifier.verify(path: packed).problems.map(\.description) == [])
        let digits = try ShardedDataset(path: packed)
        #expect(digits.count == 1797 && digits.channels == 1 && digits.side == 8)
        #expect(digits.labels == .classes && digits.labelNames == (0..<10).map(String.init))
        #expect(digits.scale == 0.125 && digits.shift == -1)
        #expect(digits.source.contains("Alpaydin") && digits.source.contains("10.24432/C50P49"))
        #expect(digits.attributes.licence == "CC BY 4.0")
        #expect(digits.hasDigests)
        #expect(
            try digits.fingerprint().description
                == "1797 samples [1, 8, 8] uint8; attributes f46ac536, labels d558df9f, pixels 09351287")
    }

    /// As data/README.md says.
    @Test func canBePackedAgain() throws {
        let folder = try TestFolder()
        let source = try CSVSource(path: csv, valueRange: 0...16, labelNames: (0..<10).map(String.init))
        try DatasetWriter.write(ShuffledSource(source, seed: 0), to: folder("digits"), shards: 2)
        let again = try ShardedDataset(path: folder("digits"))
        let digits = try ShardedDataset(path: packed)
        #expect(again.shardCounts == digits.shardCounts)
        #expect(try again.allImages() == digits.allImages())
        #expect(try again.fingerprint() == digits.fingerprint())
        // Every digit is there once: only the order differs.
        let straight = (0..<source.count).map { index -> [Float] in
            guard case .bytes(let bytes) = source.sample(at: index).values else { return [] }
            return bytes.map { Float($0) / 8 - 1 }
        }
        let images = try digits.allImages().images
        let shuffled = (0..<digits.count).map { Array(images[$0 * 64..<($0 + 1) * 64]) }
        #expect(Set(straight) == Set(shuffled) && straight != shuffled)
    }

    @Test func shardsHoldAllClasses() throws {
        let digits = try ShardedDataset(path: packed)
        let first = digits.classLabels[..<digits.shardCounts[0]]
        for label in Int32(0)..<10 {
            let share = Double(first.filter { $0 == label }.count) / Double(first.count)
            #expect(share > 0.06 && share < 0.14)
        }
    }
}
