import Foundation
import Storage

/// A folder of PNG and JPEG images: a sub-folder for each class, or all in one folder without labels.
///
/// Classes count in the order of the sub-folders' names, which become the label names; images follow in the order of
/// theirs. An image is read when it is asked for.
public struct ImageFolderSource: PackSource {
    public let channels: Int
    public let side: Int
    public let labels: DatasetLabels
    public let labelNames: [String]?
    private let images: [(path: String, label: Int32)]
    private let folder: String
    /// Whether images of other sides are cut and scaled, and those of colours turned grey where grey is wanted.
    private let isCut: Bool
    private let isTurnedGrey: Bool

    /// Lists the folder and reads its first image, or the first that can be read.
    ///
    /// - Parameters:
    ///   - path: the folder.
    ///   - side: H and W, to which the square in the middle of each image is scaled (`ByteImage.centred`); nil: the
    ///     first image's, which all must have.
    ///   - channels: 1 (grey, to which colours are turned) or 3 (RGB); nil: the first image's.
    ///   - hasClasses: whether sub-folders are classes; otherwise images in sub-folders, at any depth, have no labels.
    ///   - takesOthers: whether files of other names than images have are samples, too: such as cannot be read, unless they
    ///     are images all the same. Otherwise they are an error, lest images of other formats are left out unseen.
    /// - Throws: ``DatasetError`` or `StorageError`, naming the file or folder.
    public init(
        path: String, side: Int? = nil, channels: Int? = nil, hasClasses: Bool = true, takesOthers: Bool = false
    ) throws {
        if let channels, channels != 1, channels != 3 {
            throw DatasetError(.usage, path, "images have 1 or 3 channels, not \(channels)")
        }
        (folder, isCut, isTurnedGrey) = (path, side != nil, channels == 1)
        let (names, folders) = try Self.contents(of: path)
        if folders.isEmpty || !hasClasses {
            images = try Self.images(below: path, takesOthers).map { ($0, 0) }
            labels = .none
            labelNames = nil
        } else {
            if let file = names.first(where: { !folders.contains($0) }) {
                throw DatasetError(
                    .malformed, "\(path)/\(file)",
                    "lies beside sub-folders: put it into the one of its class, remove it, or give --labels none if "
                        + "folders are no classes")
            }
            images = try folders.enumerated().flatMap { index, folder in
                try Self.images(in: "\(path)/\(folder)", takesOthers).map { ($0, Int32(index)) }
            }
            labels = .classes
            labelNames = folders
        }
        guard !images.isEmpty else { throw DatasetError(.malformed, path, "holds no PNG or JPEG images") }
        if let side, let channels {
            (self.side, self.channels) = (side, channels)
        } else {
            let first = try Self.firstReadable(images.map(\.path))
            self.side = side ?? first.width
            self.channels = channels ?? first.channels
        }
    }

    public var count: Int { images.count }
    public var type: PackedType { .uint8 }
    public var scaling: (scale: Double, shift: Double) { DatasetAttributes.scaling(from: 0...255) }

    /// The names of all images.
    public var identity: String {
        var crc = CRC32C()
        for image in images {
            Array("\(image.path.dropFirst(folder.count))\0".utf8).withUnsafeBytes { crc.update($0) }
        }
        return "images of a folder, CRC-32C of their names \(crc.value.hex), \(isCut ? "cut to their middle" : "whole")"
    }

    public func sample(at index: Int) throws -> PackedSample {
        let (path, label) = images[index]
        var image = try ByteImage.read(path)
        if isTurnedGrey { image = image.grey }
        if isCut { image = image.centred(side: side) }
        guard image.width == side, image.height == side else {
            throw DatasetError(
                .malformed, path,
                "is \(image.width) x \(image.height) pixels, should be \(side) x \(side) like the first; --side \(side) "
                    + "cuts all to their middle and scales it")
        }
        guard image.channels <= channels else {
            throw DatasetError(
                .malformed, path,
                "has colours where the first image is grey; --channels 3 packs all with colours, --channels 1 all grey")
        }
        return PackedSample(
            values: .bytes(image.planes(channels)), label: labels == .classes ? .class(label) : .none)
    }

    /// Of a hundred damaged ones in a row, the first one's error is told.
    private static func firstReadable(_ paths: [String]) throws -> ByteImage {
        for path in paths.prefix(100) {
            if let image = try? ByteImage.read(path) { return image }
        }
        return try ByteImage.read(paths[0])
    }
}

extension ImageFolderSource {
    /// The images of a folder.
    private static func images(in folder: String, _ takesOthers: Bool) throws -> [String] {
        let (names, folders) = try contents(of: folder)
        guard !names.isEmpty else { throw DatasetError(.malformed, folder, "holds no PNG or JPEG images") }
        if let inner = folders.first {
            throw DatasetError(
                .malformed, "\(folder)/\(inner)",
                "is a folder in the folder of a class; move its images, or give --labels none if folders are no classes"
            )
        }
        if !takesOthers { try requireImages(names, folder) }
        return names.map { "\(folder)/\($0)" }
    }

    /// The images of a folder and of all folders in it, those of a folder before those of its sub-folders.
    private static func images(below folder: String, _ takesOthers: Bool) throws -> [String] {
        let (names, folders) = try contents(of: folder)
        let files = names.filter { !folders.contains($0) }
        if !takesOthers { try requireImages(files, folder) }
        return try files.map { "\(folder)/\($0)" }
            + folders.flatMap { try images(below: "\(folder)/\($0)", takesOthers) }
    }

    private static func requireImages(_ names: [String], _ folder: String) throws {
        let other = names.first { !isImageName($0) }
        guard let other else { return }
        throw DatasetError(
            .malformed, "\(folder)/\(other)",
            "is no PNG or JPEG image by its name; convert it, move it elsewhere, or give --unreadable skip")
    }

    /// The names in a folder but for hidden ones, and which of them are folders.
    private static func contents(of folder: String) throws -> (names: [String], folders: [String]) {
        let names = try Files.names(in: folder).filter { !$0.hasPrefix(".") }
        let folders = try names.filter { name in
            // Names of images are not looked up: there may be a million of them.
            try !isImageName(name) && Files.isDirectory("\(folder)/\(name)")
        }
        return (names, folders)
    }

    private static func isImageName(_ name: String) -> Bool {
        let name = name.lowercased()
        return [".png", ".jpg", ".jpeg", ".jfif"].contains { name.hasSuffix($0) }
    }
}
