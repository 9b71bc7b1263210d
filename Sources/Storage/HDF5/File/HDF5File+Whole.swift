import Foundation

extension HDF5File {
    /// Makes a file that appears whole or not at all, as ``AtomicFile`` does.
    ///
    /// - Throws: ``StorageError``, `.exists` if there is something at `path`, and what `body` throws; then nothing has
    ///   changed at `path`.
    public static func write(to path: String, _ body: (HDF5File) throws -> Void) throws {
        guard try !Files.exists(path) else { throw StorageError.system(EEXIST, "create", path) }
        try AtomicFile.place(at: path, replacing: false) { temporary in
            let file = try create(temporary)
            try body(file)
            try file.close()
            try Files.syncFile(temporary)
        }
    }
}
