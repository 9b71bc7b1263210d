import Foundation
import Storage

/// A folder for one test, removed after it.
public final class TestFolder {
    public let path: String

    public init() throws {
        path = FileManager.default.temporaryDirectory.path + "/fpdm-test-\(getpid())-\(UUID().uuidString)"
        try AtomicFile.createDirectory(path, exclusive: true)
    }

    deinit { try? AtomicFile.removeTree(path) }

    /// A path in it.
    public func callAsFunction(_ name: String) -> String { "\(path)/\(name)" }
}
