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
