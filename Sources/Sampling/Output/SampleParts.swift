import Reporting
import Storage

/// A file of samples in the making: a folder `samples.h5.parts` beside its place with a file for each group, which at
/// last become the one file.
public struct SampleParts: SampleStore {
    /// Of the file that is made.
    public let output: String
    private let settings: SampleSettings
    private let labels: SampleLabels

    private var folder: String { "\(output).parts" }

    /// - Throws: `StorageError` if the folder cannot be made.
    public init(of output: String, settings: SampleSettings, labels: SampleLabels) throws {
        (self.output, self.settings, self.labels) = (output, settings, labels)
        if try !Files.exists(folder) {
            do { try AtomicFile.createDirectory(folder) } catch let error as StorageError where error.kind == .exists {}
        }
    }

    /// What a group's file says besides the settings: its first image, and the label of each.
    private func own(_ group: Range<Int>) -> [String: String] {
        let stamps = group.map { labels.stamp(of: $0).values.first ?? "" }.joined(separator: ",")
        return ["first": String(group.lowerBound), "count": String(group.count), "labelsOfImages": stamps]
    }

    private func path(_ group: Range<Int>) -> String { "\(folder)/\(group.lowerBound)-\(group.upperBound - 1).h5" }

    public func holds(_ group: Range<Int>) throws -> Bool {
        let path = path(group)
        guard try Files.exists(path) else { return false }
        try settings.require(try SampleFile.metadata(of: path), and: own(group), of: path)
        return true
    }

    public func add(_ images: DrawnImages) throws {
        guard let first = images.indices.first else { return }
        let group = first..<first + images.indices.count
        // Drawn twice where two tasks overlap: the same bits, and one of them is enough.
        guard try !Files.exists(path(group)) else { return }
        do {
            try SampleFile(
                channels: images.channels, side: images.side, images: images.values, classes: images.classes,
                iterations: images.iterations,
                metadata: settings.stamp.merging(own(group)) { $1 }
            ).write(to: path(group))
        } catch let error as StorageError where error.kind == .exists {}
    }

    public func image(_ index: Int) throws -> SampleImage {
        let first = try SampleFile.metadata(of: output)["first"].flatMap { Int($0) } ?? 0
        return try SampleFile.image(index - first, of: output)
    }

    /// Makes one file of all groups, and removes the parts.
    ///
    /// - Parameters:
    ///   - groups: all in order; each is there.
    ///   - metadata: for the file to say besides the settings.
    /// - Throws: `StorageError`.
    public func join(_ groups: [Range<Int>], metadata: [String: String]) throws {
        guard let first = groups.first?.lowerBound, let end = groups.last?.upperBound else { return }
        let range = first..<end
        let own = ["first": String(first), "count": String(range.count)]
        try SampleFile.write(
            to: output, count: range.count, metadata: settings.stamp.merging(metadata) { $1 }.merging(own) { $1 }
        ) { append in
            for group in groups { try append(try SampleFile(path: path(group))) }
        }
        try AtomicFile.removeTree(folder)
    }

    /// Whether the file is there already, with all images of a range.
    ///
    /// - Throws: `Failure`, would overwrite, where something else is.
    public static func isDone(
        _ output: String, range: Range<Int>, settings: SampleSettings, labels: SampleLabels
    ) throws -> Bool {
        guard try Files.exists(output) else { return false }
        let stamp = (try? SampleFile.metadata(of: output)) ?? [:]
        let own = ["first": String(range.lowerBound), "count": String(range.count)]
        try settings.require(stamp, and: own, of: output)
        guard case .classes = labels else { return true }
        let classes = try SampleFile.classes(of: output)
        guard classes == range.map({ Int32(labels.classNumber(of: $0) ?? 0) }) else {
            throw Failure(
                .cannotCreate, "\(output): exists, and holds other classes; give another --output, or remove it")
        }
        return true
    }
}
