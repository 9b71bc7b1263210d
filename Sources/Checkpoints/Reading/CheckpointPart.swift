import Storage

/// The checksum of a part of something that has one for the whole of it: of some bytes of a rank file, or of some rows
/// of a piece.
///
/// Several ranks read the parts; whoever has all of them knows whether the whole is as it was written
/// (``CheckpointReader/check(_:)``).
public struct CheckpointPart: Equatable, Sendable {
    /// Counted in the order of the index.
    enum Whole: Hashable {
        case file(Int)
        case piece(Int)
    }

    let whole: Whole
    /// Of the file, or of the piece's values.
    let bytes: Range<Int>
    /// Of these bytes.
    let crc: UInt32
    /// Of the whole, as it was recorded.
    let recorded: UInt32

    /// Parts as ranks send them to each other; ``parts(_:)`` makes them again.
    public static func numbers(_ parts: [CheckpointPart]) -> [Int] {
        parts.flatMap { part in
            let (kind, number) =
                switch part.whole {
                case .file(let number): (0, number)
                case .piece(let number): (1, number)
                }
            return [kind, number, part.bytes.lowerBound, part.bytes.upperBound, Int(part.crc), Int(part.recorded)]
        }
    }

    /// - Parameter numbers: of any parts, one behind the other.
    public static func parts(_ numbers: [Int]) -> [CheckpointPart] {
        precondition(numbers.count % 6 == 0, "a part is 6 numbers, these are \(numbers.count)")
        return stride(from: 0, to: numbers.count, by: 6).map { i in
            CheckpointPart(
                whole: numbers[i] == 0 ? .file(numbers[i + 1]) : .piece(numbers[i + 1]),
                bytes: numbers[i + 2]..<numbers[i + 3], crc: UInt32(numbers[i + 4]), recorded: UInt32(numbers[i + 5]))
        }
    }
}

extension CheckpointReader {
    /// Puts parts together and compares each file and each piece with its recorded checksum.
    ///
    /// - Parameter parts: in any order; all of each file and piece of which there is any.
    /// - Precondition: every byte of these occurs once.
    /// - Throws: ``CheckpointError``, `.damaged`: the first file, or else the first piece, that has changed.
    public func check(_ parts: [CheckpointPart]) throws {
        var found: [CheckpointPart.Whole: [CheckpointPart]] = [:]
        for part in parts { found[part.whole, default: []].append(part) }
        for (number, file) in index.files.enumerated() {
            guard let parts = found[.file(number)] else { continue }
            try file.require(Self.joined(parts, bytes: file.size), in: path)
        }
        for (number, piece) in pieces.enumerated() {
            guard let parts = found[.piece(number)] else { continue }
            let crc = Self.joined(parts, bytes: piece.bytes)
            guard parts.allSatisfy({ $0.recorded == crc }) else {
                throw CheckpointError(
                    .damaged, "\(path)/\(piece.source.file)",
                    "/\(piece.tensor.path): its values have changed since they were written (CRC-32C \(crc.hex)); "
                        + "restore the file from a copy")
            }
        }
    }

    private static func joined(_ parts: [CheckpointPart], bytes: Int) -> UInt32 {
        var (crc, end): (UInt32, Int) = (0, 0)
        for part in parts.sorted(by: { $0.bytes.lowerBound < $1.bytes.lowerBound }) {
            precondition(part.bytes.lowerBound == end, "bytes \(part.bytes) follow byte \(end)")
            crc = CRC32C.combine(crc, part.crc, count: part.bytes.count)
            end = part.bytes.upperBound
        }
        precondition(end == bytes, "nobody has read the bytes from \(end) to \(bytes)")
        return crc
    }
}
