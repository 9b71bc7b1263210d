import CHDF5
import Foundation

/// The compression LZF, which h5py brings along for HDF5 (`compression="lzf"`), for reading.
///
/// Compressed bytes are pieces one after the other. The first byte of a piece says what it is: below 32, one literal byte
/// more than that follows; else its upper three bits are a length, less 2 and with 7 to be added to by the next byte, of a
/// copy from what came before, how far back the lower five bits and one byte more say, less 1.
enum LZFFilter {
    /// By which files name it: registered with The HDF Group for h5py.
    static let number: H5Z_filter_t = 32000

    /// Tells HDF5 of the filter. Under the lock, before files are read.
    static func register() {
        // HDF5 keeps the pointer.
        let name = UnsafeRawPointer(("lzf" as StaticString).utf8Start).assumingMemoryBound(to: CChar.self)
        var filter = H5Z_class2_t(
            version: fpdm_filter_version, id: number, encoder_present: 0, decoder_present: 1, name: name,
            can_apply: nil, set_local: nil, filter: unpackForHDF5)
        // Should HDF5 refuse it, files of this kind are refused with their filter's name.
        _ = H5Zregister(&filter)
    }

    /// Unpacks a whole stream.
    ///
    /// - Returns: nil if it is damaged.
    static func unpack(_ packed: UnsafeBufferPointer<UInt8>) -> UnsafeMutableBufferPointer<UInt8>? {
        guard let count = pieces(packed, into: nil), let room = malloc(max(count, 1)) else { return nil }
        let unpacked = UnsafeMutableBufferPointer(
            start: room.bindMemory(to: UInt8.self, capacity: count), count: count)
        _ = pieces(packed, into: unpacked.baseAddress)
        return unpacked
    }

    /// Goes through the pieces.
    ///
    /// - Parameter target: takes the bytes, as many as a call without it tells.
    /// - Returns: how many bytes come of them; nil if the stream is damaged.
    private static func pieces(_ packed: UnsafeBufferPointer<UInt8>, into target: UnsafeMutablePointer<UInt8>?) -> Int?
    {
        var (place, made) = (0, 0)
        /// The next byte; nil at the end.
        func next() -> Int? {
            guard place < packed.count else { return nil }
            place += 1
            return Int(packed[place - 1])
        }
        while let first = next() {
            guard first >= 32 else {
                let length = first + 1
                guard length <= packed.count - place else { return nil }
                if let target {
                    for byte in 0..<length { target[made + byte] = packed[place + byte] }
                }
                (place, made) = (place + length, made + length)
                continue
            }
            var length = first >> 5
            if length == 7 {
                guard let more = next() else { return nil }
                length += more
            }
            guard let low = next() else { return nil }
            let back = (first & 31) << 8 + low + 1
            guard back <= made else { return nil }
            length += 2
            // Byte by byte: a copy may reach into itself.
            if let target {
                for byte in made..<made + length { target[byte] = target[byte - back] }
            }
            made += length
        }
        return made
    }
}

/// HDF5's call of a filter: replaces the buffer.
///
/// - Returns: bytes that are now in it; 0 if they are damaged.
private func unpackForHDF5(
    _ flags: UInt32, _ count: Int, _ values: UnsafePointer<UInt32>?, _ bytes: Int,
    _ size: UnsafeMutablePointer<Int>?, _ buffer: UnsafeMutablePointer<UnsafeMutableRawPointer?>?
) -> Int {
    guard flags & fpdm_filter_reverse != 0, let size, let buffer, let packed = buffer.pointee else { return 0 }
    let stream = UnsafeBufferPointer(start: packed.assumingMemoryBound(to: UInt8.self), count: bytes)
    guard let unpacked = LZFFilter.unpack(stream) else { return 0 }
    free(packed)
    buffer.pointee = UnsafeMutableRawPointer(unpacked.baseAddress)
    size.pointee = max(unpacked.count, 1)
    return unpacked.count
}
