import Foundation
import Storage
import TestSupport
import Testing

@testable import Datasets

/// What is said of layouts that training reads badly, and of ours: nothing.
@Suite struct LayoutAdviceTests {
    @Test func ofLayouts() throws {
        let folder = try TestFolder()
        let file = try HDF5File.create(folder("a.h5"))
        func notes(_ chunk: [Int]?, held: Bool = false) throws -> [String] {
            let name = "/\(chunk.map { $0.map(String.init).joined(separator: "x") } ?? "plain")\(held)"
            let layout = chunk.map { DatasetLayout.chunked($0) } ?? .contiguous
            let images = try file.createDataset(name, .uint8, shape: [2000, 3, 32, 32], layout: layout)
            return LayoutAdvice.notes(on: images, isHeld: held)
        }
        #expect(try notes([21, 3, 32, 32]).isEmpty)
        #expect(try notes([2, 3, 32, 32]).isEmpty)
        // Small enough to be kept in memory.
        #expect(try notes(nil, held: true).isEmpty && notes([500, 1, 32, 32], held: true).isEmpty)
        let plain = try notes(nil)
        #expect(plain.count == 1 && plain[0].contains("without checksums"))
        let parts = try notes([8, 1, 16, 32])
        #expect(parts.count == 1 && parts[0].contains("parts of samples"))
        let large = try notes([500, 3, 32, 32])
        #expect(large.count == 2 && large[0].contains("chunks take 1 MiB"))
        #expect(large[1].contains("500 samples: a window of 1,024 mixes those of 2 of them only"))
    }

    @Test func ofOrders() {
        let sorted = (0..<5000).map { Int32($0 / 500) }
        #expect(LayoutAdvice.note(onOrder: sorted, isHeld: false)?.contains("--seed") == true)
        #expect(LayoutAdvice.note(onOrder: sorted, isHeld: true) == nil)
        #expect(LayoutAdvice.note(onOrder: (0..<5000).map { Int32($0 * 7919 % 10) }, isHeld: false) == nil)
        // Of one class there is nothing to mix, nor of few samples.
        #expect(LayoutAdvice.note(onOrder: [Int32](repeating: 3, count: 5000), isHeld: false) == nil)
        #expect(LayoutAdvice.note(onOrder: [0, 0, 0, 1, 1, 1], isHeld: false) == nil)
    }
}
