import Foundation
import TestSupport
import Testing

@testable import Storage

/// Chunks read as they are stored.
@Suite struct HDF5ChunkTests {
    private let folder: TestFolder

    init() throws { folder = try TestFolder() }

    private func make<Value: HDF5Scalar>(
        _ type: HDF5Type, _ shape: [Int], _ layout: DatasetLayout, _ values: [Value]
    ) throws -> HDF5Dataset {
        let path = folder("\(UUID()).h5")
        let file = try HDF5File.create(path)
        let dataset = try file.createDataset("/x", type, shape: shape, layout: layout)
        if !values.isEmpty { try dataset.write(values) }
        try file.close()
        return try HDF5File.open(path).dataset("/x")
    }

    /// A data set's chunks; nil for those that are not sound.
    private func stored(_ dataset: HDF5Dataset, _ plain: HDF5Dataset.PlainChunks) throws -> [[UInt8]?] {
        let count = (dataset.shape[0] + plain.rows - 1) / plain.rows
        let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: count * plain.storedBytes, alignment: 16)
        defer { memory.deallocate() }
        let parts = (0..<count).map {
            UnsafeMutableRawBufferPointer(rebasing: memory[$0 * plain.storedBytes..<($0 + 1) * plain.storedBytes])
        }
        let sound = try HDF5Dataset.readStored(
            parts.enumerated().map { HDF5Dataset.ChunkRequest(dataset, chunk: $0, into: $1) })
        return zip(parts, sound).map { $1 ? Array($0[..<plain.valueBytes]) : nil }
    }

    @Test(arguments: [true, false]) func wholeRowsAreThere(_ hasChecksum: Bool) throws {
        let layout = DatasetLayout.chunked([4, 2, 3], fletcher32: hasChecksum)
        let values = (0..<60).map { Float($0) / 7 }
        let dataset = try make(.float32, [10, 2, 3], layout, values)
        let plain = try #require(dataset.plainChunks(of: Float.self))
        #expect(plain.rows == 4 && plain.valueBytes == 96 && plain.storedBytes == (hasChecksum ? 100 : 96))
        let bytes = values.withUnsafeBytes { Array($0) }
        let chunks = try stored(dataset, plain)
        #expect(chunks[0] == Array(bytes[..<96]) && chunks[1] == Array(bytes[96..<192]))
        // The last one ends with rows that the data set has not.
        #expect(chunks[2].map { Array($0[..<48]) } == Array(bytes[192...]))
    }

    /// Sums of all sizes, among them such as fill 16 bits and such as need a large chunk's care, against HDF5's own.
    @Test(arguments: [[UInt8](repeating: 0, count: 64), .init(repeating: 255, count: 64), (0..<64).map { $0 * 4 }])
    func checksumsHold(_ pattern: [UInt8]) throws {
        for length in [2, 64, 1 << 10, 3 << 20] {
            let values = (0..<length).map { pattern[$0 % 64] }
            let dataset = try make(.uint8, [1, length], .chunked([1, length]), values)
            let plain = try #require(dataset.plainChunks(of: UInt8.self))
            #expect(try stored(dataset, plain) == [values])
        }
    }

    @Test func whatIsNotPlainIsLeftToHDF5() throws {
        let bytes = (0..<60).map { UInt8($0) }
        #expect(try make(.uint8, [10, 6], .chunked([4, 6], deflate: 1), bytes).plainChunks(of: UInt8.self) == nil)
        #expect(try make(.uint8, [10, 6], .chunked([4, 3]), bytes).plainChunks(of: UInt8.self) == nil)
        #expect(try make(.uint8, [10, 6], .contiguous, bytes).plainChunks(of: UInt8.self) == nil)
        // An odd number of bytes, whose checksum takes in one that is not there.
        #expect(try make(.uint8, [12, 5], .chunked([3, 5]), bytes).plainChunks(of: UInt8.self) == nil)
        let halves = try make(.float16, [10, 6], .chunked([4, 6]), bytes.map { Float($0) })
        #expect(halves.plainChunks(of: Float.self) == nil && halves.plainChunks(of: Float16.self) != nil)
        // Numbers of other machines.
        _ = try Peer.python(
            "import h5py, sys; h5py.File(sys.argv[1], 'w').create_dataset('x', data=[[1.0, 2.0]], dtype='>f4', chunks=(1, 2))",
            folder("big.h5"))
        #expect(try HDF5File.open(folder("big.h5")).dataset("/x").plainChunks(of: Float.self) == nil)
    }

    @Test func whatIsNotThereOrNotSoundIsToldApart() throws {
        let empty = try make(.uint8, [8, 6], .chunked([4, 6]), [UInt8]())
        #expect(try stored(empty, #require(empty.plainChunks(of: UInt8.self))) == [nil, nil])
        let values = (0..<48).map { UInt8($0 * 5) }
        let path = folder("damaged.h5")
        let file = try HDF5File.create(path)
        try file.createDataset("/x", .uint8, shape: [8, 6], layout: .chunked([4, 6])).write(values)
        try file.close()
        try damage(path) { bytes in
            let place = try #require(position(of: Array(values[24...]), in: bytes))
            bytes[place + 3] ^= 16
        }
        let dataset = try HDF5File.open(path).dataset("/x")
        #expect(try stored(dataset, #require(dataset.plainChunks(of: UInt8.self))) == [Array(values[..<24]), nil])
        let error = try #require(throws: StorageError.self) { try dataset.read(UInt8.self) }
        #expect(error.kind == .malformed)
    }
}
