import Datasets
import Foundation
import Storage
import Testing

/// What a data set gives for these samples.
public func read(_ dataset: ShardedDataset, _ indices: [Int]) throws -> DatasetContents {
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

/// A data set of this many samples in one file, in chunks of four.
public func layout(_ samples: Int) -> ChunkLayout { ChunkLayout([.init(samples: samples, chunkSamples: 4)]) }

/// File and message of the error that a call throws; a failed test if it throws none.
public func dataFailure(
    location: SourceLocation = #_sourceLocation, _ body: () throws -> Void
) throws -> (kind: DatasetTrouble?, file: String, message: String) {
    do {
        try body()
    } catch let error as DatasetError {
        #expect(!error.message.contains("\n"), "errors are one line", sourceLocation: location)
        return (error.kind, error.path, error.message)
    } catch let error as StorageError {
        #expect(!error.message.contains("\n"), "errors are one line", sourceLocation: location)
        let kind: DatasetTrouble? =
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
public func damage(_ path: String, _ change: (inout [UInt8]) throws -> Void) throws {
    var bytes = try Files.read(path)
    try change(&bytes)
    try AtomicFile.write(bytes, to: path)
}

/// Changes an HDF5 file in place, on purpose: the digest beside it goes.
public func edit(_ path: String, _ change: (HDF5File) throws -> Void) throws {
    try AtomicFile.removeTree(HDF5Digest.path(for: path))
    let file = try HDF5File.open(path, .readWrite)
    try change(file)
    try file.close()
}

/// The place of some bytes in others.
public func position(of wanted: [UInt8], in bytes: [UInt8]) -> Int? {
    (0...(bytes.count - wanted.count)).first { Array(bytes[$0..<$0 + wanted.count]) == wanted }
}
