import CHDF5
import Foundation

/// The one way into the HDF5 library: under one lock, and with every result checked.
enum HDF5Library {
    static let lock = FairLock()

    /// At exit HDF5 would close what is open, and crashes on a file that a full disk has kept from being closed. Files
    /// have owners here, so nothing is left for it to do; it must be told before its first use.
    private static let withoutExitHandler: Void = { _ = H5dont_atexit() }()

    /// Filters that are not HDF5's own.
    private static let ownFilters: Void = LZFFilter.register()

    /// How an error says that another process holds a file's lock.
    static let openElsewhere = "the file is open elsewhere, for writing"

    /// How an error says that locks are not to be had.
    static let noLocks = "this file system gives no locks"

    /// Runs a group of HDF5 calls that belong together.
    static func locked<Result>(_ body: () throws -> Result) rethrows -> Result {
        try lock.withLock {
            _ = withoutExitHandler
            // HDF5 prints its errors to stderr unless told not to, by each thread.
            H5Eset_auto2(fpdm_current_error_stack, nil, nil)
            _ = ownFilters
            return try body()
        }
    }

    /// Makes one call; a negative result becomes an error that tells what was tried, where, and what HDF5 says.
    ///
    /// - Parameters:
    ///   - operation: what is tried, as it follows "cannot": "read", "create".
    ///   - path: the file.
    ///   - object: the data set, group or attribute in it.
    @discardableResult
    static func call<Result: SignedInteger>(
        _ operation: String, _ path: String, _ object: String? = nil, _ body: () -> Result
    ) throws -> Result {
        try locked {
            let result = body()
            if result < 0 { throw error(operation, path, object, frames()) }
            return result
        }
    }

    /// Makes one call that answers yes or no.
    static func ask(_ operation: String, _ path: String, _ object: String? = nil, _ body: () -> htri_t) throws -> Bool {
        try call(operation, path, object, body) > 0
    }

    /// A length as HDF5 takes it.
    static func sizes(_ values: [Int], _ what: String, _ path: String, _ object: String) throws -> [hsize_t] {
        try values.map { value in
            guard let size = hsize_t(exactly: value) else {
                throw StorageError(.malformed, path, "\(object): \(what) \(values) has a negative value")
            }
            return size
        }
    }

    /// A length from HDF5.
    static func integers(_ values: [hsize_t], _ path: String, _ object: String) throws -> [Int] {
        try values.map { value in
            guard let integer = Int(exactly: value) else {
                throw StorageError(
                    .malformed, path, "\(object): a size of \(value) is beyond reason; the file is damaged")
            }
            return integer
        }
    }
}

extension HDF5Library {
    /// An entry of HDF5's error stack.
    struct Frame {
        let function: String
        let text: String
        /// Raised by the filter pipeline: a checksum or a compressed chunk that does not hold.
        let isPipeline: Bool
    }

    /// This thread's error stack, deepest entry first.
    private static func frames() -> [Frame] {
        var frames: [Frame] = []
        _ = withUnsafeMutablePointer(to: &frames) { frames in
            H5Ewalk2(
                fpdm_current_error_stack, H5E_WALK_UPWARD,
                { _, entry, context in
                    guard let entry = entry?.pointee, let context else { return 0 }
                    let frame = Frame(
                        function: entry.func_name.map { String(cString: $0) } ?? "",
                        text: entry.desc.map { String(cString: $0) } ?? "",
                        isPipeline: entry.maj_num == fpdm_error_pipeline())
                    context.assumingMemoryBound(to: [Frame].self).pointee.append(frame)
                    return 0
                }, frames)
        }
        return frames
    }

    private static func error(
        _ operation: String, _ path: String, _ object: String?, _ frames: [Frame]
    ) -> StorageError {
        let place = object.map { "\($0): " } ?? ""
        guard let deepest = frames.first, let outermost = frames.last else {
            return StorageError(.library, path, "\(place)cannot \(operation): HDF5 gives no reason")
        }
        var reason = "HDF5: \(outermost.text) (\(outermost.function))"
        if frames.count > 1 { reason += ", since \(deepest.text) (\(deepest.function))" }
        reason = reason.split(whereSeparator: \.isNewline).joined(separator: " ")
        if frames.contains(where: \.isPipeline) {
            return StorageError(
                .malformed, path,
                "\(place)cannot \(operation): the stored bytes are damaged; copy or make the file anew. \(reason)")
        }
        if deepest.text.hasPrefix("unable to lock file") {
            guard [nil, EAGAIN].contains(systemCode(in: deepest.text)) else {
                return StorageError(
                    .io, path,
                    "\(place)cannot \(operation): \(noLocks); set HDF5_USE_FILE_LOCKING=FALSE in the environment to do "
                        + "without. \(reason)")
            }
            return StorageError(
                .io, path,
                "\(place)cannot \(operation): \(openElsewhere); wait or close it. \(reason)")
        }
        if let code = systemCode(in: deepest.text) {
            // That says it all: HDF5 goes on with addresses and descriptors.
            let system = StorageError.system(code, operation, path)
            return StorageError(system.kind, path, place + system.message)
        }
        let isTruncated = deepest.text.contains("addr overflow") || deepest.text.hasPrefix("truncated file")
        if isTruncated {
            return StorageError(
                .malformed, path, "\(place)cannot \(operation): the file is truncated; copy or make it anew. \(reason)")
        }
        return StorageError(.library, path, "\(place)cannot \(operation): \(reason)")
    }

    /// The `errno` that HDF5's file drivers write into their messages.
    private static func systemCode(in text: String) -> Int32? {
        guard let range = text.range(of: "errno = ") else { return nil }
        guard let code = Int32(text[range.upperBound...].prefix { $0.isNumber }), code != 0 else { return nil }
        return code
    }
}
