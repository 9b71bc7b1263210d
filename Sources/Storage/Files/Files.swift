import Foundation

/// Files and folders, with errors for the person at the terminal.
public enum Files {
    /// Whether anything has this path, a dangling link included.
    ///
    /// - Throws: ``StorageError`` if that cannot be told, as in a folder that may not be searched or on a disk that
    ///   fails: a run that is there is not to be taken for one that is not.
    public static func exists(_ path: String) throws -> Bool {
        var information = stat()
        return try isFound(lstat(path, &information), path)
    }

    /// Whether this is a folder, or a link to one.
    ///
    /// - Throws: ``StorageError`` if that cannot be told.
    public static func isDirectory(_ path: String) throws -> Bool {
        var information = stat()
        return try isFound(stat(path, &information), path) && information.st_mode & S_IFMT == S_IFDIR
    }

    /// What a call of the `stat` family found; right after it, for `errno`.
    private static func isFound(_ result: Int32, _ path: String) throws -> Bool {
        if result == 0 { return true }
        switch errno {
        case ENOENT, ENOTDIR: return false
        case let code: throw StorageError.system(code, "look it up", path)
        }
    }

    /// Whether two paths lead to one file or folder, links followed; false if either leads nowhere.
    public static func isSame(_ a: String, _ b: String) -> Bool {
        var (first, second) = (stat(), stat())
        guard stat(a, &first) == 0, stat(b, &second) == 0 else { return false }
        return first.st_dev == second.st_dev && first.st_ino == second.st_ino
    }

    /// A regular file's length in bytes.
    ///
    /// - Throws: ``StorageError``, `.malformed` for what is not a regular file.
    public static func size(of path: String) throws -> Int { try OpenFile(regular: path).size() }

    /// Bytes that this user may still write on the disk that a path, which need not exist, lies on; nil where the file
    /// system does not tell. Quotas are not seen.
    public static func availableBytes(at path: String) -> Int? {
        var information = statvfs()
        guard statvfs(path, &information) == 0 else {
            let parent = folder(of: path)
            return errno == ENOENT && parent != path ? availableBytes(at: parent) : nil
        }
        // Those that know no sizes say that there are no blocks at all.
        guard information.f_blocks > 0 else { return nil }
        let (bytes, isTooMany) = UInt(information.f_bavail).multipliedReportingOverflow(by: UInt(information.f_frsize))
        return isTooMany ? nil : Int(exactly: bytes)
    }

    /// A whole file's bytes, or what a pipe holds up to its end.
    ///
    /// - Parameter most: bytes that it may have; all of this machine's memory unless told.
    /// - Throws: ``StorageError``, `.malformed` for one that is longer.
    public static func read(_ path: String, most: Int = memory) throws -> [UInt8] {
        try bytes(of: OpenFile(reading: path), most: most)
    }

    /// A regular file's bytes. A pipe in its place is not waited for.
    ///
    /// - Parameter most: as for `read`.
    /// - Throws: ``StorageError``, `.malformed` for what is not a regular file, or is longer.
    public static func readRegular(_ path: String, most: Int = memory) throws -> [UInt8] {
        try bytes(of: OpenFile(regular: path), most: most)
    }

    /// Bytes of this machine's memory: a file with a hole may be longer than any, and to ask for as much is the end.
    public static let memory = Int(clamping: ProcessInfo.processInfo.physicalMemory)

    private static func bytes(of file: OpenFile, most: Int) throws -> [UInt8] {
        let size = try file.size()
        guard size <= most else { throw tooLong(file.path, "\(size)", most) }
        // Pipes, and the files of /proc, do not tell their length.
        if size == 0 {
            guard let bytes = try file.readToEnd(most: most) else { throw tooLong(file.path, "more", most) }
            return bytes
        }
        return try [UInt8](unsafeUninitializedCapacity: size) { buffer, count in
            try file.read(into: UnsafeMutableRawBufferPointer(buffer), at: 0)
            count = size
        }
    }

    private static func tooLong(_ path: String, _ found: String, _ most: Int) -> StorageError {
        StorageError(
            .malformed, path,
            "has \(found) bytes where at most \(most) are read; it is damaged, or another file: put the right one in "
                + "its place")
    }

    /// The names in a folder, sorted, without `.` and `..`.
    public static func names(in path: String) throws -> [String] {
        guard let folder = opendir(path) else { throw StorageError.system(errno, "list", path) }
        defer { closedir(folder) }
        var names: [String] = []
        while true {
            errno = 0
            guard let entry = readdir(folder) else {
                if errno != 0 { throw StorageError.system(errno, "list", path) }
                return names.sorted()
            }
            let name = withUnsafeBytes(of: &entry.pointee.d_name) { bytes in
                String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
            }
            if name != ".", name != ".." { names.append(name) }
        }
    }

    /// The folder that a path lies in.
    public static func folder(of path: String) -> String {
        var path = path[...]
        while path.count > 1, path.last == "/" { path.removeLast() }
        guard let slash = path.lastIndex(of: "/") else { return "." }
        return slash == path.startIndex ? "/" : String(path[..<slash])
    }
}

extension Files {
    /// Copies a file's bytes, and brings them to the disk.
    ///
    /// - Parameters:
    ///   - target: the copy; one that exists is an error (`.exists`).
    ///   - progress: is told of each piece's bytes.
    public static func copy(_ path: String, to target: String, progress: (Int) -> Void) throws {
        let (source, copy) = (try OpenFile(reading: path), try OpenFile(creating: target))
        try withUnsafeTemporaryAllocation(byteCount: 4 << 20, alignment: 16) { buffer in
            while true {
                let count = try source.readSome(into: buffer)
                if count == 0 { break }
                try copy.write(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
                progress(count)
            }
        }
        try copy.sync()
        try copy.close()
    }

    /// Has the operating system forget what it keeps of a file in memory, so that the next read goes to the disk.
    public static func dropFromMemory(_ path: String) throws { try OpenFile(reading: path).dropFromMemory() }

    static func syncFile(_ path: String) throws { try OpenFile(reading: path).sync() }

    static func syncDirectory(_ path: String) throws {
        // Some network file systems cannot sync a folder (EINVAL); they keep names on the server anyway.
        try OpenFile(reading: path).sync(tolerating: EINVAL)
    }

    static func rename(from: String, to: String) throws {
        // Two steps, which only a second writer could come between; onto a folder with content the second fails too.
        if try exists(to) { throw StorageError.system(EEXIST, "rename \(from) to it", to) }
        if Glibc.rename(from, to) != 0 { throw StorageError.system(errno, "rename it to \(to)", from) }
    }

    static func createDirectory(_ path: String, exclusive: Bool) throws {
        if mkdir(path, 0o777) == 0 { return }
        switch errno {
        case EEXIST:
            if try exclusive || !isDirectory(path) { throw StorageError.system(EEXIST, "create the folder", path) }
        case ENOENT:
            let parent = folder(of: path)
            if try parent == path || exists(parent) { throw StorageError.system(ENOENT, "create the folder", path) }
            try createDirectory(parent, exclusive: false)
            try createDirectory(path, exclusive: exclusive)
        case let code: throw StorageError.system(code, "create the folder", path)
        }
    }

    static func removeTree(_ path: String) throws {
        var information = stat()
        guard lstat(path, &information) == 0 else {
            if errno == ENOENT { return }
            throw StorageError.system(errno, "remove", path)
        }
        let isFolder = information.st_mode & S_IFMT == S_IFDIR
        if isFolder {
            for name in try names(in: path) { try removeTree("\(path)/\(name)") }
        }
        // Another rank may tidy up at the same time: gone is gone.
        if (isFolder ? rmdir(path) : unlink(path)) != 0, errno != ENOENT {
            throw StorageError.system(errno, "remove", path)
        }
    }

    static func isWritableDirectory(_ path: String) -> Bool {
        guard (try? isDirectory(path)) == true else { return false }
        var template = Array("\(path)/.partial-probe-XXXXXX".utf8CString)
        let descriptor = mkstemp(&template)
        guard descriptor >= 0 else { return false }
        close(descriptor)
        unlink(template)
        return true
    }
}
