import CHDF5
import Foundation

/// An HDF5 file.
///
/// Its metadata carry checksums (library bounds V110), and times are left out, so that equal content gives equal
/// bytes. Any thread may use it: one lock stands around every HDF5 call of the process.
public final class HDF5File: @unchecked Sendable {
    public enum Mode: Sendable { case read, readWrite }

    /// What a name in a file stands for.
    public enum ObjectKind: Sendable { case group, dataset }

    /// The file's path, as it was given.
    public let path: String

    /// Guarded by the lock; nil once closed.
    private var handle: hid_t?

    private init(path: String, handle: hid_t) {
        self.path = path
        self.handle = handle
    }

    deinit {
        // Who wants to hear about errors calls close().
        HDF5Library.locked {
            if let handle { _ = H5Fclose(handle) }
        }
    }

    /// Makes a file.
    ///
    /// - Throws: ``StorageError``, `.exists` if there is one, `.missing` if its folder is.
    public static func create(_ path: String) throws -> HDF5File {
        if try Files.exists(path) { throw StorageError.system(EEXIST, "create", path) }
        return try withoutMissingLocks { isLocking in
            // Where it failed for want of a lock, HDF5 had made the file already.
            if !isLocking { unlink(path) }
            return try createNow(path, isLocking: isLocking)
        }
    }

    private static func createNow(_ path: String, isLocking: Bool) throws -> HDF5File {
        try HDF5Library.locked {
            let access = try accessProperties(path, isLocking: isLocking)
            defer { H5Pclose(access) }
            // Times in the root group would make equal content unequal bytes.
            let creation = try HDF5Library.call("prepare creation", path) { H5Pcreate(fpdm_file_create()) }
            defer { H5Pclose(creation) }
            try HDF5Library.call("prepare creation", path) { H5Pset_obj_track_times(creation, false) }
            let handle = try HDF5Library.call("create", path) {
                H5Fcreate(path, fpdm_create_exclusive, creation, access)
            }
            keepFromChildren(handle)
            return HDF5File(path: path, handle: handle)
        }
    }

    /// Opens a file, which is held against the digest beside it first, if there is one (``HDF5Digest``).
    ///
    /// - Throws: ``StorageError``, `.missing` if there is none, `.malformed` if it is truncated, not HDF5, not a file, or
    ///   not as its digest says.
    public static func open(_ path: String, _ mode: Mode = .read) throws -> HDF5File {
        // HDF5 would wait for a pipe, and its messages for what cannot be opened are its own.
        try OpenFile(regular: path, writing: mode == .readWrite).close()
        try HDF5Digest(beside: path)?.checkParsed(path)
        // Who writes it may be about to close it: a second is waited.
        for _ in 0..<20 {
            do {
                return try withoutMissingLocks { try openNow(path, mode, isLocking: $0) }
            } catch let error as StorageError where error.message.contains(HDF5Library.openElsewhere) {
                usleep(50_000)
            }
        }
        return try withoutMissingLocks { try openNow(path, mode, isLocking: $0) }
    }

    /// Tries with HDF5's locks on files, and without where the file system gives none: our files are written under
    /// names that no one else knows, so that the lock is a precaution only.
    private static func withoutMissingLocks(_ body: (_ isLocking: Bool) throws -> HDF5File) throws -> HDF5File {
        do {
            return try body(true)
        } catch let error as StorageError where error.message.contains(HDF5Library.noLocks) {
            return try body(false)
        }
    }

    private static func openNow(_ path: String, _ mode: Mode, isLocking: Bool) throws -> HDF5File {
        try HDF5Library.locked {
            let access = try accessProperties(path, isLocking: isLocking)
            defer { H5Pclose(access) }
            let flags = mode == .read ? fpdm_open_read : fpdm_open_read_write
            do {
                let handle = try HDF5Library.call("open", path) { H5Fopen(path, flags, access) }
                keepFromChildren(handle)
                return HDF5File(path: path, handle: handle)
            } catch let error as StorageError where error.kind == .library {
                throw StorageError(
                    .malformed, path, "not an HDF5 file, or damaged: copy or make it anew (\(error.message))")
            }
        }
    }

    /// A process that this one starts must not inherit the file: it would hold its lock for as long as it runs.
    private static func keepFromChildren(_ handle: hid_t) {
        var descriptor: UnsafeMutableRawPointer?
        guard H5Fget_vfd_handle(handle, fpdm_default, &descriptor) >= 0, let descriptor else { return }
        _ = fcntl(descriptor.load(as: Int32.self), F_SETFD, FD_CLOEXEC)
    }

    private static func accessProperties(_ path: String, isLocking: Bool) throws -> hid_t {
        let access = try HDF5Library.call("prepare access", path) { H5Pcreate(fpdm_file_access()) }
        do {
            try HDF5Library.call("set library bounds", path) {
                H5Pset_libver_bounds(access, H5F_LIBVER_V110, H5F_LIBVER_V110)
            }
            // Closing the file closes it, whoever still holds a data set.
            try HDF5Library.call("set close degree", path) { H5Pset_fclose_degree(access, H5F_CLOSE_STRONG) }
            try HDF5Library.call("set locking", path) { fpdm_set_locking(access, isLocking ? 1 : 0) }
            return access
        } catch {
            H5Pclose(access)
            throw error
        }
    }
}

extension HDF5File {
    /// Hands all written bytes to the operating system (`AtomicFile.syncFile` brings them to the disk).
    public func flush() throws {
        try withHandle { handle in
            try HDF5Library.call("flush", path) { H5Fflush(handle, H5F_SCOPE_GLOBAL) }
        }
    }

    /// Closes the file and all data sets in it; closing again does nothing.
    ///
    /// - Throws: ``StorageError`` if the last bytes could not be written.
    public func close() throws {
        try HDF5Library.locked {
            guard let closing = handle else { return }
            handle = nil
            try HDF5Library.call("close", path) { H5Fclose(closing) }
        }
    }

    /// Whether the file is open still. Under the lock.
    var isOpen: Bool { handle != nil }

    /// Runs HDF5 calls on the open file, under the lock.
    @discardableResult
    func withHandle<Result>(_ body: (hid_t) throws -> Result) throws -> Result {
        try HDF5Library.locked {
            guard let handle else { throw StorageError(.library, path, "is used after it was closed") }
            return try body(handle)
        }
    }
}
