import Foundation
import Storage

/// An array that samples or labels are taken from: [N, ...]. Any thread may use it.
protocol PackArray: Sendable {
    /// The file and the array in it, for errors.
    var path: String { get }
    var shape: [Int] { get }
    /// Whether all numbers are whole ones from 0 to 255, kept as bytes.
    var isByte: Bool { get }
    var isInteger: Bool { get }
    /// Rows of an array of bytes.
    func bytes(_ rows: Range<Int>) throws -> [UInt8]
    func floats(_ rows: Range<Int>) throws -> [Float]
    func doubles(_ rows: Range<Int>) throws -> [Double]
}

extension NPYArray: PackArray {
    var isByte: Bool { type.isByte }
    var isInteger: Bool { type.isInteger }
}

/// A data set of an HDF5 file. What is read is kept: all of it where that is little, otherwise the rows around, a chunk's
/// at least, so that no chunk is unpacked for each of its samples.
final class HDF5PackArray: PackArray, @unchecked Sendable {
    let path: String
    let shape: [Int]
    let isByte: Bool
    let isInteger: Bool
    private let dataset: HDF5Dataset
    /// Rows of what is kept.
    private let blockRows: Int

    private let lock = NSLock()
    // Under the lock.
    private var block: Int?
    private var bytes: [UInt8] = []
    private var values: [Double] = []

    /// Arrays of at most this many bytes are kept whole.
    private static let mostKept = 256 << 20

    /// - Throws: `StorageError` or ``DatasetError``, if the data set holds no numbers, or points at files that are not there.
    init(_ file: HDF5File, _ name: String) throws {
        dataset = try file.dataset(name)
        path = "\(file.path): \(name)"
        shape = dataset.shape
        switch dataset.type {
        case .uint8: (isByte, isInteger) = (true, true)
        case .int8, .int16, .int32, .int64, .uint16, .uint32, .uint64: (isByte, isInteger) = (false, true)
        case .float16, .float32, .float64, .other: (isByte, isInteger) = (false, false)
        case .bool, .string:
            throw DatasetError(.malformed, file.path, "\(name): holds \(dataset.type), not numbers")
        }
        // HDF5 gives fill values for files that are not there, with success.
        for piece in try dataset.virtualSources() where piece.file != "." {
            let beside = piece.file.hasPrefix("/") ? piece.file : "\(Files.folder(of: file.path))/\(piece.file)"
            if try !Files.exists(beside) {
                throw DatasetError(
                    .missing, beside, "is not there, and \(file.path), \(name) shows its values; copy it beside that")
            }
        }
        let width = isByte ? 1 : MemoryLayout<Double>.stride
        let rowBytes = max(shape.dropFirst().reduce(width, *), 1)
        let rows = max(shape.first ?? 0, 1)
        let most = max(Self.mostKept / 8 / rowBytes, 1)
        let chunk = min(dataset.chunk?.first ?? 1, rows)
        blockRows = rows <= Self.mostKept / rowBytes ? rows : max(most / chunk * chunk, min(chunk, 8 * most))
    }

    func bytes(_ rows: Range<Int>) throws -> [UInt8] {
        precondition(isByte, "\(path): numbers that are no bytes")
        return try rows.flatMap { try row($0, \.bytes) }
    }

    func floats(_ rows: Range<Int>) throws -> [Float] { try doubles(rows).map { Float($0) } }

    func doubles(_ rows: Range<Int>) throws -> [Double] {
        try isByte ? bytes(rows).map { Double($0) } : rows.flatMap { try row($0, \.values) }
    }

    private func row<Value>(_ row: Int, _ kept: KeyPath<HDF5PackArray, [Value]>) throws -> ArraySlice<Value> {
        lock.lock()
        defer { lock.unlock() }
        let wanted = row / blockRows
        if block != wanted {
            block = nil
            let first = wanted * blockRows
            let start = [first] + shape.dropFirst().map { _ in 0 }
            let count = [min(blockRows, shape[0] - first)] + shape.dropFirst()
            if isByte {
                bytes = try dataset.read(start: start, count: count)
            } else {
                values = try dataset.read(start: start, count: count)
            }
            block = wanted
        }
        let width = shape.dropFirst().reduce(1, *)
        let start = (row - wanted * blockRows) * width
        return self[keyPath: kept][start..<start + width]
    }
}
