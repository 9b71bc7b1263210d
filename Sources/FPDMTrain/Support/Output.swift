import Reporting
import Storage

/// What `--output` must be, found out before the work and not after it.
enum Output {
    /// Refuses files that exist, and folders that files cannot be made in.
    ///
    /// - Parameter paths: of files in one folder that a command is to make.
    /// - Throws: `Failure`, would overwrite or I/O.
    static func requireNew(_ paths: String...) throws {
        for path in paths where try Files.exists(path) {
            throw Failure(.cannotCreate, "\(path): exists; give another --output, or remove it")
        }
        guard let path = paths.first, !AtomicFile.isWritableDirectory(Files.folder(of: path)) else { return }
        throw Failure(
            .io,
            "\(path): \(Files.folder(of: path)) is no folder that can be written to; make it, or give another --output")
    }
}
