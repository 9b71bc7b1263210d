import Reporting
import Storage
import Testing

/// The storage error that a call throws; nil, and a failed test, if it throws none.
public func storageError(_ location: SourceLocation = #_sourceLocation, _ body: () throws -> Void) -> StorageError? {
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
public func statedFailure(_ location: SourceLocation = #_sourceLocation, _ body: () throws -> Void) -> Failure? {
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
