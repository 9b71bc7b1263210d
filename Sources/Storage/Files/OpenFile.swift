import Foundation

/// A file descriptor with one owner, closed exactly once; errors name the file.
final class OpenFile {
    let path: String
    /// What the file is called in errors: a temporary file goes by the name it is to get.
    private let name: String
    private var descriptor: Int32

    /// Opens a file for reading.
    init(reading path: String) throws {
        self.path = path
        name = path
        descriptor = Self.retrying { open(path, O_RDONLY | O_CLOEXEC) }
        if descriptor < 0 { throw StorageError.system(errno, "open for reading", path) }
    }

    /// Opens a regular file, or a link to one, and nothing else: a pipe would be waited for, perhaps for ever, and to open
    /// a device may do anything.
    ///
    /// - Throws: ``StorageError``, `.malformed` for what is not a regular file.
    init(regular path: String, writing: Bool = false) throws {
        self.path = path
        name = path
        var information = stat()
        if stat(path, &information) == 0 { try Self.requireRegular(information, path) }
        // Should a pipe have come there meanwhile, it is not waited for either.
        let flags = (writing ? O_RDWR : O_RDONLY) | O_NONBLOCK | O_NOCTTY | O_CLOEXEC
        descriptor = Self.retrying { open(path, flags) }
        if descriptor < 0 { throw StorageError.system(errno, writing ? "open for writing" : "open for reading", path) }
        if fstat(descriptor, &information) != 0 { throw StorageError.system(errno, "examine", path) }
        try Self.requireRegular(information, path)
    }

    private static func requireRegular(_ information: stat, _ path: String) throws {
        let kind =
            switch information.st_mode & S_IFMT {
            case S_IFREG: ""
            case S_IFDIR: "a folder"
            case S_IFIFO: "a pipe"
            case S_IFSOCK: "a socket"
            default: "a device"
            }
        if !kind.isEmpty { throw StorageError(.malformed, path, "is \(kind), not a file; put the file in its place") }
    }

    /// Makes a file for writing.
    ///
    /// - Parameters:
    ///   - path: the file; one that exists is an error.
    ///   - name: the name in errors, where that differs.
    init(creating path: String, as name: String? = nil) throws {
        self.path = path
        self.name = name ?? path
        descriptor = Self.retrying { open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o666) }
        if descriptor < 0 { throw StorageError.system(errno, "create", self.name) }
    }

    /// Opens what exists for writing: a device, in tests of a full disk.
    init(writing path: String) throws {
        self.path = path
        name = path
        descriptor = Self.retrying { open(path, O_WRONLY | O_CLOEXEC) }
        if descriptor < 0 { throw StorageError.system(errno, "open for writing", path) }
    }

    /// Opens a file to which bytes are added at its end, or makes it.
    init(appending path: String) throws {
        self.path = path
        name = path
        descriptor = Self.retrying { open(path, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC, 0o666) }
        if descriptor < 0 { throw StorageError.system(errno, "open for writing", path) }
    }

    deinit {
        if descriptor >= 0 { _ = Glibc.close(descriptor) }
    }

    /// The file's length in bytes.
    func size() throws -> Int {
        var information = stat()
        if fstat(descriptor, &information) != 0 { throw StorageError.system(errno, "examine", name) }
        return Int(information.st_size)
    }

    /// The last byte of a file that has any.
    func lastByte() throws -> UInt8 {
        var byte: UInt8 = 0
        try withUnsafeMutableBytes(of: &byte) { try read(into: $0, at: try size() - 1) }
        return byte
    }

    /// Reads what comes next, 0 bytes at the end.
    func readSome(into buffer: UnsafeMutableRawBufferPointer) throws -> Int {
        let count = Self.retrying { Glibc.read(descriptor, buffer.baseAddress, buffer.count) }
        if count < 0 { throw StorageError.system(errno, "read", name) }
        return count
    }

    /// Everything that comes next; nil where that is more than `most` bytes.
    func readToEnd(most: Int) throws -> [UInt8]? {
        var bytes: [UInt8] = []
        var part = [UInt8](repeating: 0, count: 1 << 16)
        while true {
            let count = try part.withUnsafeMutableBytes { try readSome(into: $0) }
            if count == 0 { return bytes }
            if count > most - bytes.count { return nil }
            bytes += part[..<count]
        }
    }

    /// Fills the buffer from a position in the file.
    func read(into buffer: UnsafeMutableRawBufferPointer, at offset: Int) throws {
        var done = 0
        while done < buffer.count {
            let rest = UnsafeMutableRawBufferPointer(rebasing: buffer[done...])
            let count = Self.retrying { pread(descriptor, rest.baseAddress, rest.count, off_t(offset + done)) }
            if count < 0 { throw StorageError.system(errno, "read", name) }
            if count == 0 {
                throw StorageError(
                    .malformed, name,
                    "ends at byte \(offset + done), where \(rest.count) more were expected; it is truncated: copy it anew"
                )
            }
            done += count
        }
    }

    /// Writes all bytes at the current position.
    func write(_ bytes: UnsafeRawBufferPointer) throws {
        var done = 0
        while done < bytes.count {
            let rest = UnsafeRawBufferPointer(rebasing: bytes[done...])
            let count = Self.retrying { Glibc.write(descriptor, rest.baseAddress, rest.count) }
            if count < 0 { throw StorageError.system(errno, "write", name) }
            done += count
        }
    }

    /// Waits until the bytes are on the disk.
    func sync(tolerating tolerated: Int32? = nil) throws {
        if Self.retrying({ fsync(descriptor) }) != 0, errno != tolerated {
            throw StorageError.system(errno, "sync to disk", name)
        }
    }

    /// Has the operating system forget what it keeps of the file in memory; what is not yet on the disk stays.
    func dropFromMemory() throws {
        let reason = posix_fadvise(descriptor, 0, 0, POSIX_FADV_DONTNEED)
        if reason != 0 { throw StorageError.system(reason, "drop from memory", name) }
    }

    /// Closes the file; network file systems report a full disk only here.
    func close() throws {
        let closing = descriptor
        descriptor = -1
        // Not retried: after EINTR Linux has closed the descriptor all the same.
        if closing >= 0, Glibc.close(closing) != 0, errno != EINTR {
            throw StorageError.system(errno, "close", name)
        }
    }

    private static func retrying<Result: SignedInteger>(_ call: () -> Result) -> Result {
        while true {
            let result = call()
            if result >= 0 || errno != EINTR { return result }
        }
    }
}
