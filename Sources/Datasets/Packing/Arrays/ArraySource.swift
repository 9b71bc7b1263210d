import Storage

/// Images and labels in arrays: of `.npy` and `.npz` files, and of HDF5 files that any program wrote.
public struct ArraySource: PackSource {
    public let labels: DatasetLabels
    public let labelNames: [String]?
    public let identity: String
    private let images: any PackArray
    private let layout: ArrayImages
    private let labelValues: (any PackArray)?

    public var count: Int { images.shape[0] }
    public var channels: Int { layout.channels }
    public var side: Int { layout.side }
    public var type: PackedType { layout.type }
    public var content: String { layout.content }
    public var scaling: (scale: Double, shift: Double) { layout.scaling }
    public var latents: LatentScaling? { layout.latents }

    /// Whether a file is one of arrays by its name.
    public static func isNamedLikeOne(_ path: String) -> Bool { ArrayFile.Kind(path) != nil }

    /// Opens the files.
    ///
    /// - Parameters:
    ///   - path: a `.npy`, `.npz`, `.h5`, `.hdf5` or `.hdf` file.
    ///   - images: the array of images in a file of several; nil: one that is called so, or the only one of the right shape.
    ///   - labels: the array of labels in the same file, or another file that holds them alone; `none` for none; nil: one
    ///     that is called so, if there is one.
    ///   - meaning: of the numbers.
    /// - Throws: ``DatasetError`` or `StorageError`, naming file and array.
    public init(path: String, images: String? = nil, labels: String? = nil, _ meaning: ArrayMeaning = ArrayMeaning())
        throws
    {
        let file = try ArrayFile(path)
        let name = try images ?? file.guess(ArrayFile.imageNames, ranks: [4, 3], "images", "--images")
        let array = try file.array(name)
        guard array.shape.count >= 3, array.shape[0] > 0 else {
            throw DatasetError(
                .malformed, array.path,
                "has shape \(array.shape): images [N, C, H, W], [N, H, W, C] or [N, H, W] are wanted")
        }
        self.images = array
        layout = try ArrayImages(Array(array.shape.dropFirst()), isByte: array.isByte, meaning, array.path)
        let labelArray = try Self.labelArray(labels, file, besides: name)
        labelValues = labelArray
        self.labels =
            try labelArray.map { try ArrayLabels.kind($0.shape, isInteger: $0.isInteger, $0.path) } ?? .none
        labelNames = self.labels == .classes ? meaning.labelNames : nil
        if meaning.labelNames != nil, self.labels != .classes {
            throw DatasetError(.usage, path, "has no classes that --label-names could name")
        }
        identity =
            "arrays \(name) of \(try file.stamp()), labels \(labelArray == nil ? "none" : labels ?? "beside")"
            + ", \(layout.isChannelsLast ? "channels last" : "channels first"), of \(layout.height) x \(layout.width)"
        guard let labelArray else { return }
        guard labelArray.shape[0] == array.shape[0] else {
            throw DatasetError(
                .malformed, labelArray.path, "holds \(labelArray.shape[0]) labels for \(array.shape[0]) images")
        }
        if meaning.labelNames != nil {
            try ArrayLabels.require(
                meaning.labelNames, for: labelArray.doubles(0..<labelArray.shape[0]).max(), labelArray.path)
        }
    }

    private static func labelArray(
        _ labels: String?, _ file: ArrayFile, besides images: String
    ) throws -> (any PackArray)? {
        if labels == "none" { return nil }
        guard let labels else {
            return try ArrayFile.labelNames.first { $0 != images && file.names.contains($0) }.map(file.array)
        }
        if file.names.contains(labels) { return try file.array(labels) }
        guard ArrayFile.Kind(labels) != nil else {
            throw DatasetError(
                .usage, file.path,
                "holds no array \"\(labels)\" of labels, nor is that a file of one; it holds "
                    + file.names.joined(separator: ", "))
        }
        let other = try ArrayFile(labels)
        return try other.array(try other.guess(ArrayFile.labelNames, ranks: [1, 2], "labels", "--labels"))
    }

    public func sample(at index: Int) throws -> PackedSample {
        func place(_ array: any PackArray) -> String { "\(array.path), sample \(index)" }
        let rows = index..<index + 1
        let values =
            try images.isByte
            ? layout.bytes(images.bytes(rows), place(images)) : layout.floats(images.floats(rows), place(images))
        guard let labelValues else { return PackedSample(values: values, label: .none) }
        let label = try ArrayLabels.label(labelValues.doubles(rows), labels, place(labelValues))
        return PackedSample(values: values, label: label)
    }
}
