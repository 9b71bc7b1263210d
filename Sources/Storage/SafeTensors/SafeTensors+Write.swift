import Foundation

extension SafeTensors {
    /// Writes float32 tensors, whole or not at all, in place of a file of that name.
    ///
    /// - Parameters:
    ///   - tensors: in any order; the file has them by name. Names are unique, `__metadata__` is taken.
    ///   - metadata: free text for the header.
    /// - Throws: ``StorageError`` if the file cannot be written.
    public static func write(
        _ tensors: [(name: String, shape: [Int], values: UnsafeBufferPointer<Float>)], metadata: [String: String] = [:],
        to path: String
    ) throws {
        let ordered = tensors.sorted { $0.name.utf8.lexicographicallyPrecedes($1.name.utf8) }
        for (tensor, next) in zip(ordered, ordered.dropFirst()) where tensor.name == next.name {
            throw StorageError(.malformed, path, "two tensors have the name \(tensor.name)")
        }
        var fields: [String] = []
        if !metadata.isEmpty {
            let texts = try metadata.sorted { $0.key < $1.key }.map { "\(try quoted($0.key)):\(try quoted($0.value))" }
            fields.append("\"__metadata__\":{\(texts.joined(separator: ","))}")
        }
        var offset = 0
        for tensor in ordered {
            guard tensor.name != "__metadata__" else {
                throw StorageError(.malformed, path, "a tensor cannot have the name __metadata__")
            }
            let count = tensor.shape.reduce(1, *)
            precondition(
                count == tensor.values.count, "\(tensor.name): \(tensor.values.count) values of \(tensor.shape)")
            let end = offset + 4 * count
            let shape = tensor.shape.map(String.init).joined(separator: ",")
            fields.append(
                "\(try quoted(tensor.name)):{\"dtype\":\"F32\",\"shape\":[\(shape)],\"data_offsets\":[\(offset),\(end)]}"
            )
            offset = end
        }
        var header = Array("{\(fields.joined(separator: ","))}".utf8)
        // Values begin at a multiple of 8, so that the file can be mapped.
        while header.count % 8 != 0 { header.append(UInt8(ascii: " ")) }
        guard header.count <= SafeTensorsHeader.maximumLength else {
            throw StorageError(.malformed, path, "a header of \(header.count) bytes is more than readers accept")
        }
        try AtomicFile.write(to: path) { file in
            let length = UInt64(header.count).littleEndian
            try withUnsafeBytes(of: length) { try file.write($0) }
            try header.withUnsafeBytes { try file.write($0) }
            for tensor in ordered { try file.write(UnsafeRawBufferPointer(tensor.values)) }
        }
    }

    /// A JSON string.
    private static func quoted(_ text: String) throws -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = .withoutEscapingSlashes
        return String(decoding: try encoder.encode(text), as: UTF8.self)
    }
}
