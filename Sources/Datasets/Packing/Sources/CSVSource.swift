import Foundation
import Storage

/// Images as rows of a CSV file: a column `label` with the class, and a column for each value, [C, H, W].
///
/// The first line may name the columns. Without names, the first column is the label if there is one column more than
/// values of a square image. `.csv.gz` is unpacked on the way. The values are kept in memory, a byte each where all are
/// whole numbers from 0 to 255, else four.
public struct CSVSource: PackSource {
    public let channels: Int
    public let side: Int
    public let labels: DatasetLabels
    public let labelNames: [String]?
    public let scaling: (scale: Double, shift: Double)
    private let values: CSVValues
    private let classes: [Int32]
    /// The CRC-32C of the file.
    public let identity: String

    /// Reads the file.
    ///
    /// - Parameters:
    ///   - path: a `.csv` or `.csv.gz` file.
    ///   - side: H and W; nil: from the number of columns.
    ///   - channels: C.
    ///   - valueRange: the values that become -1 and 1; others beyond it are refused.
    ///   - labelNames: what the classes are called, by number.
    /// - Throws: ``DatasetError`` or `StorageError`, naming file, line and column.
    public init(
        path: String, side: Int? = nil, channels: Int = 1, valueRange: ClosedRange<Double> = 0...255,
        labelNames: [String]? = nil
    ) throws {
        guard valueRange.lowerBound < valueRange.upperBound, (side ?? 1) > 0, channels > 0 else {
            throw DatasetError(.usage, path, "side, channels and the width of the value range must be positive")
        }
        let bytes = try UnpackedFile.read(path)
        identity = "CSV, CRC-32C \(bytes.withUnsafeBytes { CRC32C.of($0) }.hex)"
        var table: CSVTable?
        var values = CSVValues()
        var classes: [Int32] = []
        try CSVLines.forEach(in: bytes) { number, fields in
            if table == nil {
                let made = try CSVTable(path: path, firstLine: fields, side: side, channels: channels)
                table = made
                if made.hasHeader { return }
            }
            guard let table else { return }
            try table.parse(number, fields, valueRange, &values, &classes)
        }
        guard let table, values.count > 0 else { throw DatasetError(.malformed, path, "holds no samples") }
        if let labelNames, let most = classes.max(), labelNames.count <= most {
            throw DatasetError(.usage, path, "\(labelNames.count) label names, but there is a label \(most)")
        }
        self.side = table.side
        self.channels = channels
        self.values = values
        self.classes = classes
        self.labelNames = labelNames
        labels = table.labelColumn == nil ? .none : .classes
        scaling = DatasetAttributes.scaling(from: valueRange)
    }

    public var count: Int { values.count / (channels * side * side) }
    public var type: PackedType { values.isWhole ? .uint8 : .float32 }

    public func sample(at index: Int) -> PackedSample {
        let width = channels * side * side
        return PackedSample(
            values: values[index * width..<(index + 1) * width],
            label: labels == .classes ? .class(classes[index]) : .none)
    }
}

/// Numbers kept as bytes for as long as all of them are.
struct CSVValues {
    private var bytes: [UInt8] = []
    private var floats: [Float] = []
    private(set) var isWhole = true

    var count: Int { isWhole ? bytes.count : floats.count }

    mutating func append(_ value: Float) {
        if isWhole, let byte = UInt8(exactly: value) {
            bytes.append(byte)
            return
        }
        if isWhole {
            floats = bytes.map(Float.init)
            bytes = []
            isWhole = false
        }
        floats.append(value)
    }

    subscript(range: Range<Int>) -> PackedSample.Values {
        isWhole ? .bytes(Array(bytes[range])) : .floats(Array(floats[range]))
    }
}
