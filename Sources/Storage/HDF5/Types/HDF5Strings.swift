import CHDF5
import Foundation

/// Text between Swift and HDF5, for attributes and data sets alike.
enum HDF5Strings {
    /// Reads text elements of fixed or variable length, ASCII or UTF-8. Under the lock.
    ///
    /// - Parameters:
    ///   - type: the type in the file.
    ///   - count: the number of elements that `transfer` reads.
    ///   - space: their space.
    ///   - transfer: the reading call, given a type in memory and room for the elements.
    static func read(
        type: hid_t, count: Int, space: hid_t, _ path: String, _ object: String,
        _ transfer: (hid_t, UnsafeMutableRawPointer) -> herr_t
    ) throws -> [String] {
        guard count > 0 else { return [] }
        if try HDF5Library.ask("examine", path, object, { H5Tis_variable_str(type) }) {
            return try readVariable(type: type, count: count, space: space, path, object, transfer)
        }
        let size = H5Tget_size(type)
        let bytes = UnsafeMutableRawBufferPointer.allocate(byteCount: count * size, alignment: 16)
        defer { bytes.deallocate() }
        guard let base = bytes.baseAddress else { return [] }
        try HDF5Library.call("read", path, object) { transfer(type, base) }
        let isSpacePadded = H5Tget_strpad(type) == H5T_STR_SPACEPAD
        return (0..<count).map { index in
            var text = bytes[(index * size)..<((index + 1) * size)].prefix { $0 != 0 }
            if isSpacePadded {
                while text.last == UInt8(ascii: " ") { text.removeLast() }
            }
            return String(decoding: text, as: UTF8.self)
        }
    }

    private static func readVariable(
        type: hid_t, count: Int, space: hid_t, _ path: String, _ object: String,
        _ transfer: (hid_t, UnsafeMutableRawPointer) -> herr_t
    ) throws -> [String] {
        var pointers = [UnsafeMutablePointer<CChar>?](repeating: nil, count: count)
        return try pointers.withUnsafeMutableBufferPointer { pointers in
            guard let base = pointers.baseAddress else { return [] }
            // Whatever was read before an error is HDF5's memory too.
            defer { _ = H5Dvlen_reclaim(type, space, fpdm_default, base) }
            try HDF5Library.call("read", path, object) { transfer(type, base) }
            return pointers.map { $0.map { String(cString: $0) } ?? "" }
        }
    }

    /// Writes text elements of variable length, UTF-8. Under the lock.
    static func write(
        _ strings: [String], _ path: String, _ object: String,
        _ transfer: (hid_t, UnsafeRawPointer) -> herr_t
    ) throws {
        try requireNoZero(strings, path, object)
        let type = try HDF5Type.string.memoryHandle(path)
        let copies = strings.map { strdup($0) }
        defer { for copy in copies { free(copy) } }
        try copies.withUnsafeBufferPointer { pointers in
            guard let base = pointers.baseAddress else { return }
            try HDF5Library.call("write", path, object) { transfer(type, base) }
        }
    }

    /// A type of text of this many bytes, UTF-8, padded with zeros. The caller closes it. Under the lock.
    static func fixedType(_ bytes: Int, _ path: String) throws -> hid_t {
        let type = try HDF5Library.call("copy a type", path) { H5Tcopy(fpdm_c_string()) }
        do {
            // HDF5 has no text of no bytes.
            try HDF5Library.call("make text", path) { H5Tset_size(type, max(bytes, 1)) }
            try HDF5Library.call("make text", path) { H5Tset_strpad(type, H5T_STR_NULLPAD) }
            try HDF5Library.call("make text", path) { H5Tset_cset(type, H5T_CSET_UTF8) }
            return type
        } catch {
            H5Tclose(type)
            throw error
        }
    }

    /// Writes text elements of a type that `fixedType` made. Under the lock.
    static func write(
        _ strings: [String], fixed type: hid_t, _ path: String, _ object: String,
        _ transfer: (UnsafeRawPointer) -> herr_t
    ) throws {
        try requireNoZero(strings, path, object)
        let size = H5Tget_size(type)
        let bytes = strings.flatMap { Array($0.utf8) + [UInt8](repeating: 0, count: size - $0.utf8.count) }
        try bytes.withUnsafeBytes { bytes in
            guard let base = bytes.baseAddress else { return }
            try HDF5Library.call("write", path, object) { transfer(base) }
        }
    }

    /// HDF5 ends a text at its first zero byte.
    private static func requireNoZero(_ strings: [String], _ path: String, _ object: String) throws {
        guard let string = strings.first(where: { $0.utf8.contains(0) }) else { return }
        throw StorageError(
            .malformed, path, "\(object): HDF5 cannot hold a text with a zero character: \(string.debugDescription)")
    }
}
