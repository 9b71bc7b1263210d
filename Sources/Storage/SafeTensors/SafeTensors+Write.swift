import Foundation

extension SafeTensors {
    /// Writes float32 tensors, whole or not at all, and no more of their values in memory than are given at once.
    ///
    /// - Parameters:
    ///   - tensors: names and shapes, in any order; the file has them by name. Names are unique, `__metadata__` is taken.
    ///   - metadata: free text for the header.
    ///   - path: a file that is there already is an error (`.exists`).
    ///   - values: is called for each tensor, in the file's order; `append` takes the next of its values, until it has
    ///     all of them.
    /// - Throws: ``StorageError`` if the file cannot be written, and what `values` throws; then there is no file.
    public static func write(
        _ tensors: [(name: String, shape: [Int])], metadata: [String: String] = [:], to path: String,
        values: (_ name: String, _ append: (UnsafeBufferPointer<Float>) throws -> Void) throws -> Void
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
            let end = offset + 4 * tensor.shape.reduce(1, *)
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
        try AtomicFile.write(to: path, replacing: false) { file in
            let length = UInt64(header.count).littleEndian
            try withUnsafeBytes(of: length) { try file.write($0) }
            try header.withUnsafeBytes { try file.write($0) }
            for tensor in ordered {
                var missing = tensor.shape.reduce(1, *)
                try values(tensor.name) { part in
                    missing -= part.count
                    precondition(missing >= 0, "\(tensor.name): more values than \(tensor.shape) has")
                    try file.write(UnsafeRawBufferPointer(part))
                }
                precondition(missing == 0, "\(tensor.name): \(missing) values of \(tensor.shape) were not given")
            }
        }
    }

    /// A JSON string.
    private static func quoted(_ text: String) throws -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = .withoutEscapingSlashes
        return String(decoding: try encoder.encode(text), as: UTF8.self)
    }
}
