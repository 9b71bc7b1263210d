import Compute
import Diffusion
import Foundation
import Model
import Storage
import Testing
import Training

/// The checkout's root folder.
let repository = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent().path

/// A folder for one test, removed after it.
final class Scratch {
    let path: String

    init() throws {
        path = FileManager.default.temporaryDirectory.path + "/fpdm-evaluation-\(getpid())-\(UUID().uuidString)"
        try AtomicFile.createDirectory(path, exclusive: true)
    }

    deinit { try? AtomicFile.removeTree(path) }

    func callAsFunction(_ name: String) -> String { "\(path)/\(name)" }
}

/// Memory for a test's buffers; they are valid inside `withMemory` only.
final class TestMemory {
    private var arenas: [Arena] = []

    func zeros(_ count: Int) -> FloatBuffer {
        let (arena, buffer) = Arena.build("test") { $0.take(count) }
        arenas.append(arena)
        return buffer
    }

    func floats(_ values: [Float]) -> FloatBuffer {
        let buffer = zeros(values.count)
        buffer.copy(from: values)
        return buffer
    }
}

/// Keeps the memory until `body` has ended: buffers hold on to nothing.
func withMemory<Result>(_ body: (TestMemory) throws -> Result) rethrows -> Result {
    let memory = TestMemory()
    return try withExtendedLifetime(memory) { try body(memory) }
}

/// Standard normal values that depend on `seed` alone.
func normals(_ count: Int, seed: UInt64, scale: Float = 1) -> [Float] {
    RandomStream(seed: seed, purpose: 251).normals(count).map { $0 * scale }
}

/// A small FPDM, or what `change` makes of it.
func tinyModel(_ change: (inout ModelConfiguration) -> Void = { _ in }) -> ModelConfiguration {
    var c = ModelConfiguration()
    (c.imageSize, c.channels, c.patchSize, c.width, c.depth, c.heads, c.mlpRatio) = (4, 2, 2, 8, 1, 2, 2)
    c.classes = 3
    c.fixedPoint = true
    change(&c)
    return c
}

/// Weights under which every parameter matters: a fresh network's output is 0 whatever its input.
func testWeights(_ model: ModelConfiguration) -> [Float] {
    let table = ParameterTable(model)
    var flat = [Float](repeating: 0, count: table.flatCount)
    for (i, p) in table.parameters.enumerated() {
        let scale = p.shape.count > 1 ? 1 / Float(p.slot.count / p.shape[0]).squareRoot() : 0.2
        flat.replaceSubrange(
            p.slot.offset..<p.slot.offset + p.slot.count,
            with: normals(p.slot.count, seed: UInt64(1000 + i), scale: scale))
    }
    return flat
}

/// The storage error that a call throws; nil, and a failed test, if it throws none.
func storageError(_ location: SourceLocation = #_sourceLocation, _ body: () throws -> Void) -> StorageError? {
    do {
        try body()
        Issue.record("should have failed", sourceLocation: location)
    } catch let error as StorageError {
        #expect(!error.message.contains("\n"), "errors are one line", sourceLocation: location)
        return error
    } catch {
        Issue.record("\(error)", sourceLocation: location)
    }
    return nil
}

/// The failure that a call throws; nil, and a failed test, if it throws none.
func failure(_ location: SourceLocation = #_sourceLocation, _ body: () throws -> Void) -> Failure? {
    do {
        try body()
        Issue.record("should have failed", sourceLocation: location)
    } catch let error as Failure {
        return error
    } catch {
        Issue.record("\(error)", sourceLocation: location)
    }
    return nil
}

/// Real digits, the images as a model sees them.
func digits() throws -> ShardedDataset { try ShardedDataset(path: "\(repository)/data/digits") }
