import Foundation
import TestSupport
import Testing

@testable import Storage

@Suite struct HDF5DatasetTests {
    static let shapes: [[Int]] = [[], [0], [1], [7], [3, 0, 2], [2, 3, 5], [1, 1, 1, 1], [13, 1, 17]]

    @Test(arguments: shapes, [HDF5Type.float32, .float64, .float16, .int32, .int64])
    func roundTrips(shape: [Int], type: HDF5Type) throws {
        let scratch = try TestFolder()
        let count = shape.reduce(1, *)
        let values = (0..<count).map { Float($0) - 3 }
        let file = try HDF5File.create(scratch("a.h5"))
        try file.createDataset("/group/values", type, shape: shape).write(values)
        try file.createDataset(
            "/chunked", type, shape: shape, layout: .chunked(shape.map { _ in 2 }, deflate: 4, shuffle: true)
        )
        .write(values)
        try file.close()

        let again = try HDF5File.open(scratch("a.h5"))
        let dataset = try again.dataset("/group/values")
        #expect(dataset.shape == shape)
        #expect(dataset.type == type)
        #expect(dataset.count == count)
        #expect(try dataset.read(Float.self) == values)
        #expect(try dataset.read(Double.self) == values.map(Double.init))
        if type == .float16 {
            #expect(try failure { _ = try dataset.read(Int.self) }.kind == .malformed)
        } else {
            #expect(try dataset.read(Int.self) == values.map { Int($0) })
        }
        #expect(try again.dataset("/chunked").read(Float.self) == values)
        #expect(dataset.chunk == nil)
        let isChunked = !shape.isEmpty && count > 0
        #expect(try again.dataset("chunked").chunk == (isChunked ? shape.map { min($0, 2) } : nil))
    }

    /// All values of float16 come back, and others are rounded to the nearest, ties to even.
    @Test func halves() throws {
        let scratch = try TestFolder()
        let file = try HDF5File.create(scratch("a.h5"))
        let all = (0...UInt16.max).map { Float16(bitPattern: $0) }
        let dataset = try file.createDataset("all", .float16, shape: [all.count])
        try dataset.write(all)
        #expect(try dataset.read(Float16.self).map(\.bitPattern) == all.map(\.bitPattern))
        let floats = try dataset.read(Float.self)
        #expect(floats.map { $0.isNaN ? -1e9 : $0 } == all.map { $0.isNaN ? -1e9 : Float($0) })
        try dataset.write(floats)
        #expect(try dataset.read(Double.self).map { $0.isNaN ? -1e9 : $0 } == all.map { $0.isNaN ? -1e9 : Double($0) })
        let rounded = try file.createDataset("rounded", .float16, shape: [4])
        try rounded.write([1 + 0x1p-11, 1 + 3 * 0x1p-11, 65520, -1e-9] as [Float])
        #expect(try rounded.read(Float.self) == [1, 1 + 0x1p-9, .infinity, 0])
    }

    @Test func bytesAndFill() throws {
        let scratch = try TestFolder()
        let file = try HDF5File.create(scratch("a.h5"))
        let dataset = try file.createDataset("x", .uint8, shape: [2, 4], layout: .chunked([1, 4]), fill: 9)
        try [UInt8]([1, 2, 250, 255]).withUnsafeBufferPointer { try dataset.write($0, start: [1, 0], count: [1, 4]) }
        #expect(try dataset.read(UInt8.self) == [9, 9, 9, 9, 1, 2, 250, 255])
        let floats = try file.createDataset("nan", .float32, shape: [3], fill: .nan)
        #expect(try floats.read(Float.self).allSatisfy { $0.isNaN })
    }

    @Test func boxes() throws {
        let scratch = try TestFolder()
        let shape = [5, 4, 7]
        let values = (0..<140).map { Int32($0) }
        let file = try HDF5File.create(scratch("a.h5"))
        for (name, layout) in [("plain", DatasetLayout.contiguous), ("chunked", .chunked([2, 3, 4]))] {
            let dataset = try file.createDataset(name, .int32, shape: shape, layout: layout)
            try dataset.write(values)
            let box = try dataset.read(Int32.self, start: [1, 2, 3], count: [3, 2, 2])
            let expected: [Int32] = points([1, 2, 3], [3, 2, 2]).map { index in
                Int32(index[0] * 28 + index[1] * 7 + index[2])
            }
            #expect(box == expected)
            #expect(try dataset.read(Int32.self, start: [5, 0, 0], count: [0, 4, 7]) == [])

            try [Int32](repeating: -1, count: 4).withUnsafeBufferPointer {
                try dataset.write($0, start: [4, 1, 5], count: [1, 2, 2])
            }
            var changed = values
            for index in [4 * 28 + 12, 4 * 28 + 13, 4 * 28 + 19, 4 * 28 + 20] { changed[index] = -1 }
            #expect(try dataset.read(Int32.self) == changed)

            for (start, count) in [
                ([0, 0, 0], [6, 1, 1]), ([-1, 0, 0], [1, 1, 1]), ([0, 0], [1, 1]), ([5, 0, 0], [1, 1, 1]),
            ] {
                let error = try failure { _ = try dataset.read(Int32.self, start: start, count: count) }
                #expect(error.kind == .malformed)
                #expect(error.description.contains(name))
            }
        }
    }

    /// More than one piece of 4 MiB, cut along the first and along later dimensions.
    @Test(arguments: [[1500, 1100], [2, 1_700_000], [3, 2, 450_000], [3_000_000]])
    func largerThanAPiece(shape: [Int]) throws {
        let scratch = try TestFolder()
        let count = shape.reduce(1, *)
        let values = (0..<count).map { Float($0 & 0xFFFF) }
        let file = try HDF5File.create(scratch("a.h5"))
        let plain = try file.createDataset("plain", .float32, shape: shape)
        try plain.write(values)
        #expect(try plain.read(Float.self) == values)
        let chunked = try file.createDataset(
            "chunked", .float32, shape: shape, layout: .chunked(shape.map { min($0, 700) }))
        try chunked.write(values)
        #expect(try chunked.read(Float.self) == values)
    }

    @Test(arguments: [[], [0], [1], [10], [3, 4], [2, 3, 4], [4, 1, 9], [7, 7]], [1, 5, 12, 1000])
    func piecesCoverTheBoxInOrder(count: [Int], limit: Int) {
        for chunk in [nil, count.map { _ in 3 }] {
            let start = count.indices.map { $0 + 1 }
            var covered: [[Int]] = []
            var offset = 0
            for piece in BoxPieces(start: start, count: count, limit: limit, chunk: chunk) {
                #expect(piece.offset == offset)
                #expect(piece.elements == piece.count.reduce(1, *))
                offset += piece.elements
                covered += points(piece.start, piece.count)
                if chunk == nil { #expect(piece.elements <= limit) }
            }
            #expect(covered == points(start, count))
        }
    }

    /// All indices of a box in row-major order.
    private func points(_ start: [Int], _ count: [Int]) -> [[Int]] {
        zip(start, count).reduce([[]]) { points, range in
            points.flatMap { point in (range.0..<range.0 + range.1).map { point + [$0] } }
        }
    }

    @Test func chunkDamageIsFound() throws {
        let scratch = try TestFolder()
        let file = try HDF5File.create(scratch("a.h5"))
        let values = (0..<4096).map { Float($0) }
        try file.createDataset("/images", .float32, shape: [64, 64], layout: .chunked([8, 64])).write(values)
        try file.close()
        let bytes = try Files.read(scratch("a.h5"))
        let needle = withUnsafeBytes(of: Float(1025)) { Array($0) } + withUnsafeBytes(of: Float(1026)) { Array($0) }
        let place = try #require((0..<bytes.count - 8).first { Array(bytes[$0..<$0 + 8]) == needle })
        try damage(scratch("a.h5")) { $0[place + 1] ^= 0x10 }

        let again = try HDF5File.open(scratch("a.h5"))
        let dataset = try again.dataset("/images")
        let error = try failure { _ = try dataset.read(Float.self) }
        #expect(error.kind == .malformed)
        #expect(error.description.contains("/images"))
        #expect(error.description.contains("a.h5"))
        #expect(error.description.contains("hecksum") || error.description.contains("letcher"))
        // The other chunks are fine.
        #expect(try dataset.read(Float.self, start: [0, 0], count: [8, 64]) == Array(values[..<512]))
    }

    @Test func compressedDamageIsFound() throws {
        let scratch = try TestFolder()
        let file = try HDF5File.create(scratch("a.h5"))
        var seed: UInt32 = 1
        let values = (0..<20_000).map { _ -> UInt8 in
            seed = seed &* 1_664_525 &+ 1_013_904_223
            return UInt8(seed >> 28)
        }
        try file.createDataset("x", .uint8, shape: [20_000], layout: .chunked([20_000], deflate: 6)).write(values)
        try file.close()
        let size = try Files.size(of: scratch("a.h5"))
        try damage(scratch("a.h5")) { $0[size / 2] ^= 0x40 }
        let error = try failure { _ = try HDF5File.open(scratch("a.h5")).dataset("x").read(UInt8.self) }
        #expect(error.kind == .malformed)
    }
}
