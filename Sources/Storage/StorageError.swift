import Foundation
import Reporting

/// What went wrong with a file, where, and what to do about it.
public typealias StorageError = LocatedError<StorageTrouble>

/// The kinds of trouble with files.
public enum StorageTrouble: TroubleKind {
    /// No such file, or no such object in a file.
    case missing
    /// The content is not what it should be: truncated, corrupted, another type or shape.
    case malformed
    /// Something stands where something new was to be made.
    case exists
    /// The operating system refused: disk full, read-only, not permitted.
    case io
    /// A library failed in a way that none of the others describes.
    case library

    public var status: Failure.Status {
        switch self {
        case .missing: .noInput
        case .malformed: .badData
        case .exists: .cannotCreate
        case .io: .io
        case .library: .software
        }
    }
}

extension StorageError {
    /// An error of the operating system.
    ///
    /// - Parameters:
    ///   - code: `errno` right after the failed call.
    ///   - operation: what was tried, as it follows "cannot": "write", "open for reading".
    static func system(_ code: Int32, _ operation: String, _ path: String) -> StorageError {
        let kind: StorageTrouble =
            switch code {
            case ENOENT: .missing
            case ELOOP: .malformed
            case EEXIST, ENOTEMPTY: .exists
            default: .io
            }
        // Paths are text here: what is in a name and no UTF-8 has become this mark.
        let isAltered = code == ENOENT && path.unicodeScalars.contains("\u{FFFD}")
        let told = isAltered ? "its name holds bytes that are no UTF-8: rename it" : remedy(for: code)
        let remedy = told.map { "; \($0)" } ?? ""
        return StorageError(kind, path, "cannot \(operation): \(String(cString: strerror(code)))\(remedy)")
    }

    /// What a person can do about an `errno`, where there is something to say.
    static func remedy(for code: Int32) -> String? {
        switch code {
        case ENOSPC: "the disk is full: free some space or choose another folder"
        case EDQUOT: "your quota on this file system is used up: free some space or choose another folder"
        case EROFS: "the file system is read-only: choose another folder"
        case EACCES, EPERM: "check the permissions of the file and its folder"
        case ENOENT: "check the path"
        case EEXIST, ENOTEMPTY: "remove it or choose another name"
        case ENOTDIR: "a part of the path is a file, not a folder"
        case ELOOP: "a link on the path leads back to itself: make it anew"
        case ENAMETOOLONG: "a part of the path is longer than the file system takes: choose a shorter name"
        case EISDIR: "this is a folder, not a file"
        case EMFILE, ENFILE: "too many files are open: raise the limit (ulimit -n)"
        case EIO, ESTALE: "the disk or the network file system failed: try again, then ask its administrator"
        default: nil
        }
    }
}
