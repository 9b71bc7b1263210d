import Foundation
import Storage

/// Features in folders of `.npy` files, as fast-DiT and FPDM's published code write them: `0.npy`, `1.npy` ... of
/// latents, [1, 4, 32, 32], and under the same names in a second folder their labels, [1] or [1, K].
///
/// Files belong together by their names. Samples follow in the order of the names, as numbers where all are. A file may
/// hold several samples, each as many.
public struct FeatureFolderSource: PackSource {
    public let labels: DatasetLabels
    public let labelNames: [String]?
    private let folder: String
    private let labelFolder: String?
    private let names: [String]
    private let layout: ArrayImages
    /// Samples of a file; `hasCount` where it has a dimension for them.
    private let samples: Int
    private let hasCount: Bool
    private let shape: [Int]
    private let isByte: Bool

    public var count: Int { names.count * samples }
    public var channels: Int { layout.channels }
    public var side: Int { layout.side }
    public var type: PackedType { layout.type }
    public var content: String { layout.content }
    public var scaling: (scale: Double, shift: Double) { layout.scaling }
    public var latents: LatentScaling? { layout.latents }

    /// The folders of features and of labels in one that fast-DiT or FPDM's code has made, `NAME_features` and `NAME_labels`
    /// or, where there is none of that name, DINO's features as `NAME_dino_vitb8`; or the folder
    /// itself where it holds `.npy` files; nil for other folders.
    public static func folders(in path: String) throws -> (features: String, labels: String?)? {
        let names = try Files.names(in: path).filter { !$0.hasPrefix(".") }
        if names.contains(where: { $0.hasSuffix(".npy") }) { return (path, nil) }
        let features = names.filter { $0.hasSuffix("_features") }
        guard features.count == 1, try Files.isDirectory("\(path)/\(features[0])") else { return nil }
        let name = features[0].dropLast("features".count)
        let labels = ["labels", "dino_vitb8"].map { "\(name)\($0)" }
        return ("\(path)/\(features[0])", labels.first { names.contains($0) }.map { "\(path)/\($0)" })
    }

    /// Lists both folders and reads the first file of each.
    ///
    /// - Parameters:
    ///   - path: the folder of features.
    ///   - labels: the folder of labels; nil: none.
    ///   - meaning: of the numbers.
    /// - Throws: ``DatasetError`` or `StorageError`, naming the file: one that has no partner among them.
    public init(path: String, labels: String?, _ meaning: ArrayMeaning = ArrayMeaning()) throws {
        (folder, labelFolder) = (path, labels)
        names = try Self.names(in: path)
        if let labels {
            let others = Set(try Self.names(in: labels))
            if let lonely = names.first(where: { !others.contains($0) }) {
                throw DatasetError(.missing, "\(labels)/\(lonely)", "is not there, but \(path)/\(lonely) is")
            }
            let here = Set(names)
            if let lonely = others.sorted().first(where: { !here.contains($0) }) {
                throw DatasetError(.missing, "\(path)/\(lonely)", "is not there, but \(labels)/\(lonely) is")
            }
        }
        let first = try NPYArray(path: "\(path)/\(names[0])")
        (shape, isByte, hasCount) = (first.shape, first.isByte, first.shape.count == 4)
        samples = hasCount ? first.shape[0] : 1
        guard samples > 0 else { throw DatasetError(.malformed, first.path, "holds no samples") }
        layout = try ArrayImages(
            hasCount ? Array(first.shape.dropFirst()) : first.shape, isByte: isByte, meaning, first.path)
        guard let labels else {
            (self.labels, labelNames) = (.none, nil)
            return
        }
        let label = try NPYArray(path: "\(labels)/\(names[0])")
        self.labels = try ArrayLabels.kind(
            Self.labelShape(label.shape, samples), isInteger: label.isInteger, label.path)
        labelNames = self.labels == .classes ? meaning.labelNames : nil
    }

    /// The names of all files.
    public var identity: String {
        let names = Array(names.joined(separator: "\0").utf8).withUnsafeBytes { CRC32C.of($0) }
        return "features of \(names.hex), labels \(labelFolder == nil ? "none" : "beside")"
    }

    public func sample(at index: Int) throws -> PackedSample {
        let (name, row) = (names[index / samples], index % samples)
        let array = try NPYArray(path: "\(folder)/\(name)")
        guard array.shape == shape, array.isByte == isByte else {
            throw DatasetError(
                .malformed, array.path, "holds \(array.shape), and the first file \(shape): all must be alike")
        }
        let rows = hasCount ? row..<row + 1 : 0..<(shape.first ?? 1)
        let values =
            try isByte
            ? layout.bytes(array.bytes(rows), array.path) : layout.floats(array.floats(rows), array.path)
        return PackedSample(values: values, label: try label(name, row))
    }

    private func label(_ name: String, _ row: Int) throws -> PackedSample.Label {
        guard let labelFolder else { return .none }
        let array = try NPYArray(path: "\(labelFolder)/\(name)")
        let shape = Self.labelShape(array.shape, samples)
        guard shape[0] == samples, try ArrayLabels.kind(shape, isInteger: array.isInteger, array.path) == labels else {
            throw DatasetError(
                .malformed, array.path,
                "holds \(array.shape), which is not what the first file holds: \(labels) for \(samples) samples")
        }
        let values = try array.doubles(0..<(array.shape.first ?? 1))
        let width = values.count / samples
        let label = try ArrayLabels.label(Array(values[row * width..<(row + 1) * width]), labels, array.path)
        if case .class(let number) = label { try ArrayLabels.require(labelNames, for: Double(number), array.path) }
        return label
    }

    /// Of one sample also without the dimension for them: [] as [1], and a vector [K] as [1, K].
    private static func labelShape(_ shape: [Int], _ samples: Int) -> [Int] {
        if shape.isEmpty { return [1] }
        return shape.count == 1 && samples == 1 && shape[0] > 1 ? [1] + shape : shape
    }

    /// The names of a folder's files, as numbers where all are.
    private static func names(in folder: String) throws -> [String] {
        let names = try Files.names(in: folder).filter { !$0.hasPrefix(".") }
        guard !names.isEmpty else { throw DatasetError(.malformed, folder, "holds no .npy files") }
        if let other = names.first(where: { !$0.hasSuffix(".npy") }) {
            throw DatasetError(.malformed, "\(folder)/\(other)", "is no .npy file by its name; move it elsewhere")
        }
        let numbers = names.map { Int($0.dropLast(4)) }
        guard !numbers.contains(nil) else { return names }
        return zip(names, numbers).sorted { ($0.1 ?? 0, $0.0) < ($1.1 ?? 0, $1.0) }.map(\.0)
    }
}
