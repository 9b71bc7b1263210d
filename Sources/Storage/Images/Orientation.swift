/// How a camera was held: the tag of EXIF (version 2.32, 4.6.4, tag 274) that says how stored pixels are to be turned.
enum Orientation: Int {
    /// Stored as it is seen; then mirrored; upside down; that mirrored; then those of lines that are stored as columns.
    case upright = 1
    case mirrored, halfTurn, flipped, transposed, quarterTurn, transversed, threeQuarterTurn

    /// What a JPEG or PNG file says; upright where it says nothing, or nothing that makes sense.
    init(file bytes: UnsafeBufferPointer<UInt8>, isPNG: Bool) {
        let exif = isPNG ? Self.exif(inPNG: bytes) : Self.exif(inJPEG: bytes)
        self = exif.flatMap(Self.init(exif:)) ?? .upright
    }

    /// From the first segment of EXIF before the image itself.
    private static func exif(inJPEG bytes: UnsafeBufferPointer<UInt8>) -> Slice<UnsafeBufferPointer<UInt8>>? {
        var position = 2
        while position + 4 <= bytes.count, bytes[position] == 0xFF {
            let marker = bytes[position + 1]
            // Fill bytes before a marker.
            if marker == 0xFF {
                position += 1
                continue
            }
            let length = Int(bytes[position + 2]) << 8 | Int(bytes[position + 3])
            let end = position + 2 + length
            // 0xDA: the image begins.
            guard marker != 0xDA, length >= 2, end <= bytes.count else { return nil }
            let body = bytes[(position + 4)..<end]
            if marker == 0xE1, body.starts(with: Array("Exif\0\0".utf8)) { return body.dropFirst(6) }
            position = end
        }
        return nil
    }

    /// From the chunk `eXIf`.
    private static func exif(inPNG bytes: UnsafeBufferPointer<UInt8>) -> Slice<UnsafeBufferPointer<UInt8>>? {
        var position = 8
        while position + 12 <= bytes.count {
            let length = (0..<4).reduce(0) { $0 << 8 | Int(bytes[position + $1]) }
            guard length <= bytes.count - position - 12 else { return nil }
            if bytes[(position + 4)..<(position + 8)].elementsEqual("eXIf".utf8) {
                return bytes[(position + 8)..<(position + 8 + length)]
            }
            position += 12 + length
        }
        return nil
    }

    /// From the first directory of a TIFF file, which EXIF is.
    private init?(exif: Slice<UnsafeBufferPointer<UInt8>>) {
        let isBigEndian = exif.starts(with: Array("MM".utf8))
        guard isBigEndian || exif.starts(with: Array("II".utf8)) else { return nil }
        func number(_ offset: Int, _ width: Int) -> Int? {
            guard offset >= 0, offset + width <= exif.count else { return nil }
            let bytes = exif[(exif.startIndex + offset)..<(exif.startIndex + offset + width)]
            return isBigEndian
                ? bytes.reduce(0) { $0 << 8 | Int($1) } : bytes.reversed().reduce(0) { $0 << 8 | Int($1) }
        }
        guard number(2, 2) == 42, let directory = number(4, 4), let entries = number(directory, 2) else { return nil }
        for entry in 0..<entries {
            let place = directory + 2 + 12 * entry
            guard let tag = number(place, 2) else { return nil }
            // Usually of 2 bytes; some programs write 4 (type 4).
            if tag == 274, let value = number(place + 8, number(place + 2, 2) == 4 ? 4 : 2) {
                self.init(rawValue: value)
                return
            }
        }
        return nil
    }
}

extension ByteImage {
    /// As it is to be seen.
    func turned(_ orientation: Orientation) -> ByteImage {
        if orientation == .upright { return self }
        let isTurned = orientation.rawValue >= Orientation.transposed.rawValue
        let (newWidth, newHeight) = isTurned ? (height, width) : (width, height)
        // The stored column and row of what is seen at x and y.
        let (right, bottom) = (width - 1, height - 1)
        func source(_ x: Int, _ y: Int) -> (Int, Int) {
            switch orientation {
            case .upright: (x, y)
            case .mirrored: (right - x, y)
            case .halfTurn: (right - x, bottom - y)
            case .flipped: (x, bottom - y)
            case .transposed: (y, x)
            case .quarterTurn: (y, bottom - x)
            case .transversed: (right - y, bottom - x)
            case .threeQuarterTurn: (right - y, x)
            }
        }
        let turned = [UInt8](unsafeUninitializedCapacity: pixels.count) { target, filled in
            for y in 0..<newHeight {
                for x in 0..<newWidth {
                    let (column, row) = source(x, y)
                    for channel in 0..<channels {
                        target[(y * newWidth + x) * channels + channel] =
                            pixels[(row * width + column) * channels + channel]
                    }
                }
            }
            filled = pixels.count
        }
        return ByteImage(width: newWidth, height: newHeight, channels: channels, pixels: turned)
    }
}
