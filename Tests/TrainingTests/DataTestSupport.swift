import Foundation
import Storage
import Testing

@testable import Training

/// A folder for one test, removed after it.
final class DataFolder {
    let path: String

    init() throws {
        path = FileManager.default.temporaryDirectory.path + "/fpdm-data-\(getpid())-\(UUID().uuidString)"
        try AtomicFile.createDirectory(path, exclusive: true)
    }

    deinit { try? AtomicFile.removeTree(path) }

    func callAsFunction(_ name: String) -> String { "\(path)/\(name)" }
}

/// Samples made up from their index alone.
struct MadeUpSource: PackSource, Sendable {
    var count = 11
    var channels = 2
    var side = 3
    var type = PackedType.uint8
    var labels = DatasetLabels.classes
    var labelNames: [String]?
    var scaling: (scale: Double, shift: Double) = (0.25, -1)
    /// Replaces samples in tests of bad ones.
    var change: (@Sendable (Int, inout PackedSample) throws -> Void)?

    var imageValues: Int { channels * side * side }

    func stored(_ index: Int) -> [Float] {
        (0..<imageValues).map { value in
            let number = (index * 37 + value * 11) % 251
            return type == .uint8 ? Float(number) : Float(number) / 7 - 10
        }
    }

    func classLabel(_ index: Int) -> Int32 { Int32(index * 5 % 7) }

    func vector(_ index: Int) -> [Float] {
        guard case .continuous(let length) = labels else { return [] }
        return (0..<length).map { Float(index) - Float($0) / 3 }
    }

    func sample(at index: Int) throws -> PackedSample {
        let values = stored(index)
        var sample = PackedSample(
            values: type == .uint8 ? .bytes(values.map { UInt8($0) }) : .floats(values), label: .none)
        switch labels {
        case .classes: sample.label = .class(classLabel(index))
        case .continuous: sample.label = .vector(vector(index))
        case .none: break
        }
        try change?(index, &sample)
        return sample
    }

    /// What reading the sample gives.
    func expected(_ index: Int) -> [Float] {
        stored(index).map { $0 * Float(scaling.scale) + Float(scaling.shift) }
    }
}

/// What a data set gives for these samples.
func read(_ dataset: ShardedDataset, _ indices: [Int]) throws -> DatasetContents {
    var length = 0
    if case .continuous(let count) = dataset.labels { length = count }
    // Values that no sample has, so that one left out shows.
    var images = [Float](repeating: -99, count: indices.count * dataset.imageValues)
    var classes = [Int32](repeating: -99, count: indices.count)
    var vectors = [Float](repeating: -99, count: indices.count * length)
    try images.withUnsafeMutableBufferPointer { images in
        try classes.withUnsafeMutableBufferPointer { classes in
            try vectors.withUnsafeMutableBufferPointer { vectors in
                try dataset.read(
                    indices, images: #require(images.baseAddress),
                    classes: dataset.labels == .classes ? classes.baseAddress : nil,
                    vectors: length > 0 ? vectors.baseAddress : nil)
            }
        }
    }
    return DatasetContents(
        images: images, classes: dataset.labels == .classes ? classes : nil, vectors: length > 0 ? vectors : nil)
}

/// File and message of the error that a call throws; a failed test if it throws none.
func dataFailure(
    location: SourceLocation = #_sourceLocation, _ body: () throws -> Void
) throws -> (kind: DataError.Kind?, file: String, message: String) {
    do {
        try body()
    } catch let error as DataError {
        #expect(!error.message.contains("\n"), "errors are one line", sourceLocation: location)
        return (error.kind, error.file, error.message)
    } catch let error as StorageError {
        #expect(!error.message.contains("\n"), "errors are one line", sourceLocation: location)
        let kind: DataError.Kind? =
            switch error.kind {
            case .missing: .missing
            case .malformed: .malformed
            default: nil
            }
        return (kind, error.path, error.message)
    }
    try #require(Bool(false), "should have failed", sourceLocation: location)
    throw CancellationError()
}

/// Changes bytes of a file in place.
func damage(_ path: String, _ change: (inout [UInt8]) throws -> Void) throws {
    var bytes = try Files.read(path)
    try change(&bytes)
    try AtomicFile.write(bytes, to: path)
}

/// Changes an HDF5 file in place.
func edit(_ path: String, _ change: (HDF5File) throws -> Void) throws {
    let file = try HDF5File.open(path, .readWrite)
    try change(file)
    try file.close()
}

/// The place of some bytes in others.
func position(of wanted: [UInt8], in bytes: [UInt8]) -> Int? {
    (0...(bytes.count - wanted.count)).first { Array(bytes[$0..<$0 + wanted.count]) == wanted }
}
