import Storage

/// A folder of PNG images: a sub-folder for each class, or all in one folder without labels.
///
/// Classes count in the order of the sub-folders' names, which become the label names; images follow in the order of
/// theirs. An image is read when it is asked for. All must be square and of one size.
public struct ImageFolderSource: PackSource {
    public let channels: Int
    public let side: Int
    public let labels: DatasetLabels
    public let labelNames: [String]?
    private let images: [(path: String, label: Int32)]

    /// Lists the folder and reads its first image.
    ///
    /// - Parameters:
    ///   - path: the folder.
    ///   - side: H and W; nil: the first image's.
    ///   - channels: 1 (grey) or 3 (RGB); nil: the first image's.
    /// - Throws: ``DatasetError`` or `StorageError`, naming the file or folder.
    public init(path: String, side: Int? = nil, channels: Int? = nil) throws {
        if let channels, channels != 1, channels != 3 {
            throw DatasetError(.usage, path, "PNG images have 1 or 3 channels, not \(channels)")
        }
        let names = try Self.visibleNames(in: path)
        let folders = try names.filter { try Files.isDirectory("\(path)/\($0)") }
        if let file = names.first(where: { !folders.contains($0) }), !folders.isEmpty {
            throw DatasetError(
                .malformed, "\(path)/\(file)", "lies beside sub-folders: put it into the one of its class, or remove it"
            )
        }
        if folders.isEmpty {
            images = try Self.images(in: path).map { ($0, 0) }
            labels = .none
            labelNames = nil
        } else {
            images = try folders.enumerated().flatMap { index, folder in
                try Self.images(in: "\(path)/\(folder)").map { ($0, Int32(index)) }
            }
            labels = .classes
            labelNames = folders
        }
        let first = try PNGImage.read(images[0].path)
        self.side = side ?? first.width
        self.channels = channels ?? first.channels
    }

    public var count: Int { images.count }
    public var type: PackedType { .uint8 }
    public var scaling: (scale: Double, shift: Double) { DatasetAttributes.scaling(from: 0...255) }

    public func sample(at index: Int) throws -> PackedSample {
        let (path, label) = images[index]
        let image = try PNGImage.read(path)
        guard image.width == side, image.height == side else {
            throw DatasetError(
                .malformed, path,
                "is \(image.width) x \(image.height) pixels, should be \(side) x \(side) like the others; cut or scale it"
            )
        }
        guard image.channels <= channels else {
            throw DatasetError(
                .malformed, path, "has colours where grey is wanted; pack with --channels 3 or turn it grey")
        }
        let plane = side * side
        var values = [UInt8](repeating: 0, count: channels * plane)
        for channel in 0..<channels {
            // Grey is equal amounts of red, green and blue.
            let from = min(channel, image.channels - 1)
            for pixel in 0..<plane { values[channel * plane + pixel] = image.pixels[pixel * image.channels + from] }
        }
        return PackedSample(values: .bytes(values), label: labels == .classes ? .class(label) : .none)
    }

    /// The images of a folder; anything else in it is an error, lest images of other formats are left out unseen.
    private static func images(in folder: String) throws -> [String] {
        let names = try visibleNames(in: folder)
        guard !names.isEmpty else { throw DatasetError(.malformed, folder, "holds no PNG images") }
        if let other = names.first(where: { !$0.lowercased().hasSuffix(".png") }) {
            throw DatasetError(
                .malformed, "\(folder)/\(other)", "is no PNG image by its name; convert it, or move it elsewhere")
        }
        return names.map { "\(folder)/\($0)" }
    }

    private static func visibleNames(in folder: String) throws -> [String] {
        try Files.names(in: folder).filter { !$0.hasPrefix(".") }
    }
}
