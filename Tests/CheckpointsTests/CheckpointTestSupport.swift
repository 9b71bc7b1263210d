import Compute
import Foundation
import Storage
import TestSupport
import Testing

@testable import Checkpoints

/// A folder for one test, and tensors that stay alive as long as it. One thread at a time uses it.
final class CheckpointFixture: @unchecked Sendable {
    private let place: TestFolder
    var folder: String { place.path }
    private var arenas: [Arena] = []

    init() throws {
        place = try TestFolder()
    }

    func callAsFunction(_ name: String) -> String { "\(folder)/\(name)" }

    var run: String { self("run") }
    var store: CheckpointStore { CheckpointStore(run: run) }

    func tensor(_ group: String, _ name: String, _ shape: [Int], _ value: (Int) -> Float) -> CheckpointPiece {
        let count = shape.reduce(1, *)
        let (arena, buffer) = Arena.build(name) { $0.take(count) }
        arenas.append(arena)
        for i in 0..<count { buffer[i] = value(i) }
        return CheckpointPiece(group: group, name: name, shape: shape, values: buffer)
    }

    static let shapes: [(String, [Int])] = [
        ("x_embedder.proj.weight", [7, 1, 3, 3]), ("x_embedder.proj.bias", [7]),
        ("blocks.2.mlp.fc1.weight", [5, 13]), ("blocks.10.mlp.fc1.weight", [1, 3]),
        ("one", [1]), ("empty", [0, 4]), ("tall", [101, 1]), ("wide", [1, 997]),
    ]

    /// Odd shapes in all groups; values of all kinds, NaN with a payload and -0 among them.
    func tensors(seed: Int = 0) -> [CheckpointPiece] {
        ["model", "ema", "optimizer/m", "optimizer/v"].enumerated().flatMap { number, group in
            Self.shapes.map { name, shape in
                tensor(group, name, shape) { i in
                    switch (i + number) % 50 {
                    case 7: Float(bitPattern: 0x7fc0_1234)
                    case 8: -0.0
                    case 9: .infinity
                    case 10: Float.leastNonzeroMagnitude
                    default: Float(seed) + Float(number) * 100 + Float(i) / 7
                    }
                }
            }
        }
    }

    /// Tensors cut as ranks own them: each group is a flat vector, and each writer has one of its nearly equal slices,
    /// cut at the nearest rows. The first has the tensors without elements, too.
    func cut(_ tensors: [CheckpointPiece], writers: Int) -> [[CheckpointPiece]] {
        var totals: [String: Int] = [:]
        for tensor in tensors { totals[tensor.extent.group, default: 0] += tensor.values.count }
        return (0..<writers).map { writer in
            var starts: [String: Int] = [:]
            return tensors.compactMap { tensor in
                let extent = tensor.extent
                guard extent.count > 0 else { return writer == 0 ? tensor : nil }
                let start = starts[extent.group, default: 0]
                starts[extent.group] = start + extent.count
                let rowCount = extent.count / extent.shape[0]
                func border(_ writer: Int) -> Int {
                    let offset = max(0, totals[extent.group, default: 0] * writer / writers - start)
                    return min(extent.shape[0], (offset + rowCount / 2) / rowCount)
                }
                let rows = border(writer)..<border(writer + 1)
                return rows.isEmpty ? nil : piece(rows, of: tensor)
            }
        }
    }

    /// Some rows of a whole tensor, in its memory.
    func piece(_ rows: Range<Int>, of tensor: CheckpointPiece) -> CheckpointPiece {
        let extent = tensor.extent
        let rowCount = extent.shape[0] == 0 ? 0 : extent.count / extent.shape[0]
        return CheckpointPiece(
            group: extent.group, name: extent.name, shape: extent.shape, rows: rows,
            values: tensor.values.slice(rows.lowerBound * rowCount, rows.count * rowCount))
    }

    /// Room of the same names and shapes, filled with something else.
    func room(like tensors: [CheckpointPiece]) -> [CheckpointPiece] {
        tensors.map { tensor($0.extent.group, $0.extent.name, $0.extent.shape) { _ in -777 } }
    }

    static func metadata(step: Int) -> CheckpointMetadata {
        CheckpointMetadata(
            step: step, updates: step - 1, skippedInARow: 1,
            jobYAML: "run: {directory: runs/x}\ndata: {path: data/x}\n", changes: "[{\"step\": 3}]",
            dataset: "digits 5f0c", grids: [-149, 3, .min, .max], timestepCounts: [2, 0],
            timestepLosses: [0.1, .leastNonzeroMagnitude, 0, 0], worldSize: 3, hosts: ["node-1", "node-2"],
            version: "0.2", environment: ["precision": "float32", "backend": "OpenBLAS \"Haswell\"", "ü/=": "\n"])
    }

    @discardableResult
    func write(step: Int, writers: Int = 1, seed: Int? = nil) throws -> String {
        let shares = cut(tensors(seed: seed ?? step), writers: writers)
        return try CheckpointWriter.write(shares, metadata: Self.metadata(step: step), run: run) { _ in }
    }
}

extension CheckpointStore {
    /// As a run looks for it that goes on alone; nil where there is none at all.
    func latestValid() throws -> (reader: CheckpointReader, skipped: [Skipped])? {
        let candidates = try CheckpointCandidates(self)
        var skipped: [Skipped] = []
        guard !candidates.isEmpty else { return nil }
        return (try candidates.latestValid(skipped: { skipped.append($0) }), skipped)
    }

    /// The path of what a path stands for.
    static func found(_ path: String) throws -> String { try open(path, skipped: { _ in }).path }
}

extension CheckpointFixture {
    /// Changes a rank file and vouches for it again, as if it had been written so: what is corrupted between memory and file.
    func reseal(_ path: String, file name: String, _ change: (HDF5File) throws -> Void) throws {
        let index = try CheckpointIndex(readingIn: path)
        let file = try HDF5File.open("\(path)/\(name)", .readWrite)
        try change(file)
        try file.close()
        let digests = try index.files.map { try CheckpointDigest(of: $0.name, in: path) }
        try AtomicFile.removeTree("\(path)/checkpoint.h5")
        try CheckpointIndex(metadata: index.metadata, files: digests, tensors: index.tensors)
            .write(to: "\(path)/checkpoint.h5")
        let digest = try CheckpointDigest(of: "checkpoint.h5", in: path)
        try AtomicFile.write(CheckpointCommit.text(digest), to: "\(path)/COMMIT")
    }
}

extension HDF5Dataset {
    func write(_ values: [Float], start: [Int]) throws {
        let count = [values.count] + shape.dropFirst().map { _ in 1 }
        try values.withUnsafeBufferPointer { try write($0, start: start, count: count) }
    }
}

func bits(_ tensor: CheckpointPiece) -> [UInt32] { tensor.values.readable.map(\.bitPattern) }

/// Names in a folder, those of work in progress included.
func names(in folder: String) throws -> [String] { try Files.names(in: folder) }

/// The checkpoint error that a call throws.
@discardableResult
func checkpointFailure(
    _ kind: CheckpointTrouble, naming parts: String..., location: SourceLocation = #_sourceLocation,
    body: () throws -> Void
) throws -> CheckpointError {
    let error = try #require(throws: CheckpointError.self, sourceLocation: location) { try body() }
    #expect(error.kind == kind, "\(error)", sourceLocation: location)
    for part in parts { #expect(error.description.contains(part), "\(error)", sourceLocation: location) }
    #expect(!error.description.contains("\n"), "errors are one line", sourceLocation: location)
    return error
}
