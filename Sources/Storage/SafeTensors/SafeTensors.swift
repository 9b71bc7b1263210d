/// Files of named tensors, as exchanged with PyTorch and others (https://github.com/huggingface/safetensors).
///
/// A file is the length of a header (8 bytes, little-endian), the header (JSON: type, shape and place of each tensor),
/// and the tensors' bytes without gaps.
public struct SafeTensors {
    /// How a tensor's elements are stored.
    public enum ElementType: String, Sendable {
        case bool = "BOOL"
        case uint8 = "U8"
        case int8 = "I8"
        case float8e5m2 = "F8_E5M2"
        case float8e4m3 = "F8_E4M3"
        case int16 = "I16"
        case uint16 = "U16"
        case float16 = "F16"
        case bfloat16 = "BF16"
        case int32 = "I32"
        case uint32 = "U32"
        case float32 = "F32"
        case float64 = "F64"
        case int64 = "I64"
        case uint64 = "U64"

        /// Bytes an element takes.
        public var byteCount: Int {
            switch self {
            case .bool, .uint8, .int8, .float8e5m2, .float8e4m3: 1
            case .int16, .uint16, .float16, .bfloat16: 2
            case .int32, .uint32, .float32: 4
            case .float64, .int64, .uint64: 8
            }
        }
    }

    /// What the header says of a tensor.
    struct Entry: Equatable {
        let type: ElementType
        let shape: [Int]
        /// Of its bytes, counted from the end of the header.
        let bytes: Range<Int>

        var count: Int { bytes.count / type.byteCount }
    }

    /// The file.
    public let path: String
    /// Free text from the header.
    public let metadata: [String: String]
    let entries: [String: Entry]
    let file: OpenFile
    /// Where the tensors' bytes begin in the file.
    let dataStart: Int
    /// CRC-32C of the header's text, which tells names, types, shapes and metadata: for comparing what two see.
    public let headerCRC: UInt32

    /// The tensors' names, sorted.
    public var names: [String] { entries.keys.sorted() }

    /// Whether there is a tensor of this name.
    public func contains(_ name: String) -> Bool { entries[name] != nil }

    /// A tensor's shape; `[]` is a single value.
    public func shape(of name: String) throws -> [Int] { try entry(name).shape }

    /// A tensor's type in the file.
    public func type(of name: String) throws -> ElementType { try entry(name).type }

    /// Opens a file and checks its header.
    ///
    /// - Throws: ``StorageError``, `.missing` if there is none, `.malformed` if it is not a regular file, or its header is
    ///   damaged or does not fit its length.
    public static func open(_ path: String) throws -> SafeTensors { try SafeTensors(path) }

    private init(_ path: String) throws {
        let file = try OpenFile(regular: path)
        let header = try SafeTensorsHeader(reading: file)
        self.path = path
        self.file = file
        metadata = header.metadata
        entries = header.entries
        dataStart = header.dataStart
        headerCRC = header.crc
    }

    func entry(_ name: String) throws -> Entry {
        guard let entry = entries[name] else {
            throw StorageError(.missing, path, "there is no tensor \(name) in the file")
        }
        return entry
    }
}
