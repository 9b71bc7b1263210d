import Reporting
import Storage

/// A folder of pictures: a PNG file an image, `00000012-3-trouser.png` for image 12 of class 3, with its settings as
/// texts in it.
public struct PictureFolder: SampleStore {
    public let path: String
    private let settings: SampleSettings
    private let labels: SampleLabels
    private let names: [String]?
    /// The files that were there at the start, by the image's index.
    private let found: [Int: String]

    /// Makes the folder, if need be, or takes over one of pictures that were drawn in the same way.
    ///
    /// - Parameter names: what classes are called, by number; nil where it is not known.
    /// - Throws: `Failure`, would overwrite, where it holds pictures that were drawn otherwise; `StorageError`.
    public init(_ path: String, settings: SampleSettings, labels: SampleLabels, names: [String]?) throws {
        (self.settings, self.labels, self.names) = (settings, labels, names)
        self.path = path.count > 1 && path.hasSuffix("/") ? String(path.dropLast()) : path
        if try !Files.exists(self.path) {
            do { try AtomicFile.createDirectory(self.path) } catch let error as StorageError where error.kind == .exists
            {}
        }
        guard try Files.isDirectory(self.path) else {
            throw Failure(.cannotCreate, "\(path): exists, and is no folder; give another --output, or remove it")
        }
        var found: [Int: String] = [:]
        for name in try Files.names(in: self.path) {
            if let index = Self.index(of: name) { found[index] = name }
        }
        self.found = found
        // One stands for all, whichever images are asked for now.
        if let other = found.min(by: { $0.key < $1.key })?.value {
            try settings.require(try PNGText.read("\(self.path)/\(other)"), of: "\(self.path)/\(other)")
        }
    }

    /// The index that a picture's name begins with.
    private static func index(of name: String) -> Int? {
        guard name.hasSuffix(".png"), !name.hasPrefix(".") else { return nil }
        let digits = name.prefix { $0.isASCII && $0.isNumber }
        return digits.count >= 8 ? Int(digits) : nil
    }

    /// The name of an image's file.
    public func name(of image: Int) -> String {
        let number = String(image)
        var parts = [String(repeating: "0", count: max(0, 8 - number.count)) + number]
        if let label = labels.classNumber(of: image) {
            parts.append(String(label))
            if let names, names.indices.contains(label) { parts.append(Self.plain(names[label])) }
        }
        return parts.joined(separator: "-") + ".png"
    }

    /// A class's name as part of a file's name.
    private static func plain(_ name: String) -> String {
        let plain = name.lowercased().map { $0.isLetter || $0.isNumber ? $0 : "-" }
        return String(plain.prefix(40)).split(separator: "-").joined(separator: "-")
    }

    /// What an image's file is stamped with besides the settings.
    private func own(_ image: Int) -> [String: String] {
        labels.stamp(of: image).merging(["index": String(image)]) { $1 }
    }

    public func holds(_ group: Range<Int>) throws -> Bool {
        var missing = false
        for image in group {
            guard let name = found[image] else {
                missing = true
                continue
            }
            let file = "\(path)/\(name)"
            try settings.require(try PNGText.read(file), and: own(image), of: file)
        }
        return !missing
    }

    public func add(_ images: DrawnImages) throws {
        for (position, image) in images.indices.enumerated() {
            var texts = settings.stamp.merging(own(image)) { $1 }
            texts["iterationsMade"] = images.iterations.map { String($0[position]) }
            try images[position].picture.write(to: "\(path)/\(name(of: image))", texts: texts)
        }
    }

    public func image(_ index: Int) throws -> SampleImage {
        let picture = try ByteImage.read("\(path)/\(found[index] ?? name(of: index))")
        let plane = picture.width * picture.height
        let values = (0..<picture.channels * plane).map { i in
            let (channel, pixel) = i.quotientAndRemainder(dividingBy: plane)
            return Float(picture.pixels[pixel * picture.channels + channel]) / 127.5 - 1
        }
        return SampleImage(channels: picture.channels, side: picture.width, values: values)
    }
}
