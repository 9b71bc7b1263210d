import Foundation

extension HDF5File {
    /// Makes a file that appears whole or not at all: under the name `PATH.partial`, brought to the disk, then renamed.
    /// What a writer that was stopped has left under that name is replaced.
    ///
    /// - Throws: ``StorageError``, `.exists` if there is something at `path`, and what `body` throws; then nothing has
    ///   changed at `path`.
    public static func write(to path: String, _ body: (HDF5File) throws -> Void) throws {
        guard try !Files.exists(path) else { throw StorageError.system(EEXIST, "create", path) }
        let partial = path + ".partial"
        try Files.removeTree(partial)
        do {
            let file = try create(partial)
            try body(file)
            try file.close()
            try Files.syncFile(partial)
            try Files.rename(from: partial, to: path)
        } catch {
            try? Files.removeTree(partial)
            throw error
        }
        try Files.syncDirectory(Files.folder(of: path))
    }
}
