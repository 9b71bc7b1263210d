import Storage

/// Images in an IDX file, the format of MNIST, with their classes in another one.
///
/// Grey images [N, H, W] or images of several channels [N, C, H, W], as unsigned bytes; labels [N]. Both are kept in memory.
/// `.gz` is unpacked on the way.
public struct IDXSource: PackSource {
    public let channels: Int
    public let side: Int
    public let labels: DatasetLabels
    public let labelNames: [String]?
    private let images: IDXArray
    private let classes: IDXArray?

    /// Whether a file is one of images by its name, as MNIST's are: `train-images-idx3-ubyte.gz`.
    public static func isNamedLikeOne(_ path: String) -> Bool {
        let name = path.hasSuffix(".gz") ? String(path.dropLast(3)) : path
        return ["-ubyte", ".ubyte", ".idx"].contains { name.hasSuffix($0) }
            || name.hasSuffix("idx3") || name.hasSuffix("idx4")
    }

    /// The file of labels that goes with one of images by MNIST's names; nil where the name is another.
    public static func labelsPath(beside images: String) -> String? {
        let name = Files.lastPart(of: images)
        guard let found = name.range(of: "images"), let kind = name.range(of: "idx3") ?? name.range(of: "idx4"),
            found.upperBound <= kind.lowerBound
        else { return nil }
        let labels =
            name[..<found.lowerBound] + "labels" + name[found.upperBound..<kind.lowerBound] + "idx1"
            + name[kind.upperBound...]
        return String(images.dropLast(name.count)) + labels
    }

    /// Reads both files.
    ///
    /// - Parameters:
    ///   - path: of the images.
    ///   - labels: path of their classes; nil: they have none.
    ///   - labelNames: what the classes are called, by number.
    /// - Throws: ``DatasetError`` or `StorageError`, naming the file.
    public init(path: String, labels: String?, labelNames: [String]? = nil) throws {
        let images = try IDXArray(path)
        let shape = images.shape
        guard shape.count == 3 || shape.count == 4, shape.allSatisfy({ $0 > 0 }) else {
            throw DatasetError(
                .malformed, path, "holds an array \(shape), which is no images: [N, H, W] or [N, C, H, W] are wanted")
        }
        (channels, side) = (shape.count == 4 ? shape[1] : 1, shape[shape.count - 1])
        guard shape[shape.count - 2] == side else {
            throw DatasetError(
                .malformed, path, "holds images of \(shape[shape.count - 2]) x \(side) pixels, not squares")
        }
        let classes = try labels.map(IDXArray.init)
        if let labels, let classes {
            guard classes.shape == [shape[0]] else {
                throw DatasetError(
                    .malformed, labels,
                    "holds an array \(classes.shape), and \(path) wants [\(shape[0])]: a class an image")
            }
            if let labelNames, let most = classes.values.max(), labelNames.count <= most {
                throw DatasetError(.usage, labels, "\(labelNames.count) label names, but there is a label \(most)")
            }
        }
        self.images = images
        self.classes = classes
        self.labels = classes == nil ? .none : .classes
        self.labelNames = classes == nil ? nil : labelNames
    }

    public var count: Int { images.shape[0] }
    public var type: PackedType { .uint8 }
    public var scaling: (scale: Double, shift: Double) { DatasetAttributes.scaling(from: 0...255) }

    public func sample(at index: Int) -> PackedSample {
        PackedSample(
            values: .bytes(Array(images[index, width: channels * side * side])),
            label: classes.map { .class(Int32($0.values[$0.values.startIndex + index])) } ?? .none)
    }
}

/// An IDX file of unsigned bytes: two zero bytes, the type (8), the number of dimensions, each as a big-endian 32-bit number,
/// and the values.
private struct IDXArray {
    let shape: [Int]
    let values: ArraySlice<UInt8>

    private static let unsignedByte: UInt8 = 8

    init(_ path: String) throws {
        let bytes = try UnpackedFile.read(path)
        func malformed(_ message: String) -> DatasetError { DatasetError(.malformed, path, message) }
        guard bytes.count >= 4, bytes[0] == 0, bytes[1] == 0, bytes[3] > 0 else {
            throw malformed("is no IDX file: it does not begin with two zero bytes, a type and a number of dimensions")
        }
        guard bytes[2] == Self.unsignedByte else {
            throw malformed("holds values of IDX type \(bytes[2]); only 8, unsigned bytes, are taken")
        }
        let header = 4 + 4 * Int(bytes[3])
        guard bytes.count >= header else { throw malformed("ends within its header; copy it anew") }
        shape = (0..<Int(bytes[3])).map { dimension in
            (0..<4).reduce(0) { $0 << 8 | Int(bytes[4 + 4 * dimension + $1]) }
        }
        var count = 1
        for length in shape {
            let (product, overflow) = count.multipliedReportingOverflow(by: length)
            guard !overflow else { throw malformed("claims an array \(shape), which no memory holds") }
            count = product
        }
        guard bytes.count - header == count else {
            throw malformed(
                "claims an array \(shape) of \(count) values and holds \(bytes.count - header); copy it anew")
        }
        values = bytes[header...]
    }

    /// Some of the values: row `index` of rows of `width`.
    subscript(index: Int, width width: Int) -> ArraySlice<UInt8> {
        let first = values.startIndex + index * width
        return values[first..<first + width]
    }
}
