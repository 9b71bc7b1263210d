import Foundation

/// The header of a safetensors file, checked against the file's length.
struct SafeTensorsHeader {
    /// The published limit, which keeps a damaged length from asking for all memory.
    static let maximumLength = 100_000_000

    let metadata: [String: String]
    let entries: [String: SafeTensors.Entry]
    let dataStart: Int
    /// Of the header's text.
    let crc: UInt32

    init(reading file: OpenFile) throws {
        let path = file.path
        func malformed(_ message: String) -> StorageError { StorageError(.malformed, path, message) }

        let size = try file.size()
        guard size >= 8 else { throw malformed("\(size) bytes are too few for a safetensors file") }
        var word: UInt64 = 0
        try withUnsafeMutableBytes(of: &word) { try file.read(into: $0, at: 0) }
        guard let length = Int(exactly: UInt64(littleEndian: word)), length <= Self.maximumLength, length <= size - 8
        else {
            throw malformed(
                "not a safetensors file, or truncated: a header of \(UInt64(littleEndian: word)) bytes in a file of \(size)"
            )
        }
        let text = try [UInt8](unsafeUninitializedCapacity: length) { buffer, count in
            try file.read(into: UnsafeMutableRawBufferPointer(buffer), at: 8)
            count = length
        }
        dataStart = 8 + length
        crc = text.withUnsafeBytes { CRC32C.of($0) }
        let parsed: JSONHeader
        do {
            parsed = try JSONDecoder().decode(JSONHeader.self, from: Data(text))
        } catch {
            throw malformed("the safetensors header is damaged: \(Self.reason(error))")
        }
        if let name = JSONNames.repeated(in: text) {
            throw malformed("the safetensors header says twice what \(name) is; write the file anew")
        }
        metadata = parsed.metadata
        entries = try parsed.tensors.reduce(into: [:]) { entries, tensor in
            entries[tensor.key] = try Self.entry(tensor.value) { malformed("tensor \(tensor.key): \($0)") }
        }
        try Self.requireGapless(entries, bytes: size - dataStart, malformed)
    }

    private static func entry(
        _ tensor: JSONTensor, _ malformed: (String) -> StorageError
    ) throws -> SafeTensors.Entry {
        guard let type = SafeTensors.ElementType(rawValue: tensor.dtype) else {
            throw malformed("its type \(tensor.dtype) is unknown")
        }
        guard tensor.shape.allSatisfy({ $0 >= 0 }) else {
            throw malformed("shape \(tensor.shape) has a negative length")
        }
        guard tensor.offsets.count == 2, let start = tensor.offsets.first, let end = tensor.offsets.last,
            start >= 0, start <= end
        else { throw malformed("data_offsets \(tensor.offsets) are no range") }
        var bytes = type.byteCount
        for length in tensor.shape {
            let (product, overflow) = bytes.multipliedReportingOverflow(by: length)
            if overflow { throw malformed("shape \(tensor.shape) is beyond reason") }
            bytes = product
        }
        guard bytes == end - start else {
            throw malformed("shape \(tensor.shape) of \(tensor.dtype) takes \(bytes) bytes, but has \(end - start)")
        }
        return SafeTensors.Entry(type: type, shape: tensor.shape, bytes: start..<end)
    }

    /// Tensors follow each other without gap or overlap, to the file's end.
    private static func requireGapless(
        _ entries: [String: SafeTensors.Entry], bytes: Int, _ malformed: (String) -> StorageError
    ) throws {
        var end = 0
        // Empty tensors share their place with the next.
        let ordered = entries.sorted {
            ($0.value.bytes.lowerBound, $0.value.bytes.upperBound, $0.key)
                < ($1.value.bytes.lowerBound, $1.value.bytes.upperBound, $1.key)
        }
        for (name, entry) in ordered {
            guard entry.bytes.lowerBound == end else {
                let fault = entry.bytes.lowerBound < end ? "overlaps the one before" : "leaves a gap before it"
                throw malformed(
                    "tensor \(name): begins at byte \(entry.bytes.lowerBound) and \(fault), which ends at \(end)")
            }
            end = entry.bytes.upperBound
        }
        guard end == bytes else {
            let fault = end > bytes ? "it is truncated: copy it anew" : "the rest belongs to no tensor"
            throw malformed("holds \(bytes) bytes of tensors where its header names \(end); \(fault)")
        }
    }

    private static func reason(_ error: any Error) -> String {
        switch error {
        case DecodingError.dataCorrupted(let context), DecodingError.keyNotFound(_, let context),
            DecodingError.typeMismatch(_, let context), DecodingError.valueNotFound(_, let context):
            let place = context.codingPath.map(\.stringValue).joined(separator: " / ")
            return place.isEmpty ? context.debugDescription : "\(place): \(context.debugDescription)"
        default: return String(describing: error)
        }
    }
}

/// The header as JSON has it.
private struct JSONHeader: Decodable {
    var metadata: [String: String] = [:]
    var tensors: [String: JSONTensor] = [:]

    private struct Name: CodingKey {
        let stringValue: String
        var intValue: Int? { nil }
        init(stringValue: String) { self.stringValue = stringValue }
        init?(intValue: Int) { nil }
    }

    init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: Name.self)
        for name in container.allKeys {
            if name.stringValue == "__metadata__" {
                metadata = try container.decode([String: String].self, forKey: name)
            } else {
                tensors[name.stringValue] = try container.decode(JSONTensor.self, forKey: name)
            }
        }
    }
}

private struct JSONTensor: Decodable {
    let dtype: String
    let shape: [Int]
    /// First byte, and the one after the last.
    let offsets: [Int]

    private enum CodingKeys: String, CodingKey {
        case dtype, shape
        case offsets = "data_offsets"
    }
}
