import Foundation
import TestSupport
import Testing

@testable import Storage

/// The storage error that a call throws.
func failure(
    location: SourceLocation = #_sourceLocation, _ body: () throws -> Void
) throws -> StorageError {
    do {
        try body()
    } catch let error as StorageError {
        #expect(!error.message.contains("\n"), "errors are one line", sourceLocation: location)
        return error
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
