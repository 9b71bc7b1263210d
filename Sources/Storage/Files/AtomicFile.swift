import Foundation

/// Files that appear whole or not at all.
///
/// The bytes go to a hidden file in the same folder, to the disk, and then take their name by `rename`; at last the
/// folder goes to the disk, so that the name survives a power cut too.
public enum AtomicFile {
    /// Writes a file of these bytes.
    ///
    /// - Parameter replacing: whether a file of that name is replaced; otherwise it is an error (`.exists`).
    /// - Throws: ``StorageError``; then nothing has changed at `path`.
    public static func write(_ data: [UInt8], to path: String, replacing: Bool = true) throws {
        try write(to: path, replacing: replacing) { file in
            try data.withUnsafeBytes { try file.write($0) }
        }
    }

    /// Writes a text file in UTF-8.
    public static func write(_ text: String, to path: String, replacing: Bool = true) throws {
        try write(Array(text.utf8), to: path, replacing: replacing)
    }

    /// Writes a file piece by piece.
    static func write(to path: String, replacing: Bool = true, _ body: (OpenFile) throws -> Void) throws {
        try place(at: path, replacing: replacing) { temporary in
            let file = try OpenFile(creating: temporary, as: path)
            try body(file)
            try file.sync()
            try file.close()
        }
    }

    /// Makes a file or folder under a hidden name beside its place, and then gives it its name.
    ///
    /// - Parameters:
    ///   - path: where it is to be.
    ///   - replacing: whether a file of that name is replaced; otherwise anything there is an error (`.exists`).
    ///   - make: makes it at the path that it is given, whole and brought to the disk.
    /// - Returns: what `make` does.
    /// - Throws: ``StorageError``, which goes by the final name, and what `make` throws; then nothing has changed at `path`.
    package static func place<Result>(
        at path: String, replacing: Bool, _ make: (_ temporary: String) throws -> Result
    ) throws -> Result {
        let temporary = temporaryPath(for: path)
        let result: Result
        do {
            result = try make(temporary)
            if replacing {
                if Glibc.rename(temporary, path) != 0 { throw StorageError.system(errno, "put in place", path) }
            } else {
                try Files.rename(from: temporary, to: path)
            }
        } catch {
            try? Files.removeTree(temporary)
            guard let error = error as? StorageError, error.path.hasPrefix(temporary) else { throw error }
            throw StorageError(error.kind, path + error.path.dropFirst(temporary.count), error.message)
        }
        try Files.syncDirectory(Files.folder(of: path))
        return result
    }

    /// A hidden neighbour that nobody else picks, on this host or another, and that nobody has left there: containers
    /// number their processes alike.
    private static func temporaryPath(for path: String) -> String {
        let name = path.split(separator: "/").last.map(String.init) ?? "file"
        // Names may be 255 bytes long: the temporary one must not fail where the final one would not.
        let part = name.utf8.count > 200 ? "" : name
        return "\(Files.folder(of: path))/.partial-\(part)-\(getpid())-\(UUID().uuidString.prefix(8))"
    }
}

extension AtomicFile {
    /// Waits until a file's bytes are on the disk.
    public static func syncFile(_ path: String) throws { try Files.syncFile(path) }

    /// Waits until a folder's entries are on the disk.
    public static func syncDirectory(_ path: String) throws { try Files.syncDirectory(path) }

    /// Renames a file or folder; a target that exists is an error (`.exists`). The folder is not yet synced.
    public static func rename(from: String, to: String) throws { try Files.rename(from: from, to: to) }

    /// Makes a folder and those above it.
    ///
    /// - Parameter exclusive: whether a folder that exists is an error (`.exists`): who makes it, owns it.
    public static func createDirectory(_ path: String, exclusive: Bool = false) throws {
        try Files.createDirectory(path, exclusive: exclusive)
    }

    /// Removes a file, or a folder with all in it; links are removed, not followed. Nothing there is no error.
    public static func removeTree(_ path: String) throws { try Files.removeTree(path) }

    /// Whether files can be made in this folder, found by making one: permissions alone do not tell on
    /// network file systems.
    public static func isWritableDirectory(_ path: String) -> Bool { Files.isWritableDirectory(path) }
}
