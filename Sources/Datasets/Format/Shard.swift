import Storage

/// One open file of a data set, its layout checked but its values not yet read.
struct Shard {
    let file: HDF5File
    let attributes: DatasetAttributes
    /// `/images` [N, C, H, W].
    let images: HDF5Dataset
    /// `/labels`, where there are any.
    let labelValues: HDF5Dataset?
    let labels: DatasetLabels
    /// `/digests` [N], where there are any: see ``SampleDigests``.
    let digests: HDF5Dataset?

    var path: String { file.path }
    /// N.
    var count: Int { images.shape[0] }
    /// C.
    var channels: Int { images.shape[1] }
    /// H and W.
    var side: Int { images.shape[2] }

    /// - Throws: ``DatasetError`` or `StorageError`, naming the file and what in it is wrong.
    init(_ path: String) throws {
        let file = try HDF5File.open(path)
        self.file = file
        func malformed(_ message: String) -> DatasetError { DatasetError(.malformed, path, message) }
        attributes = try DatasetAttributes(reading: file)
        guard file.exists("/images") else { throw malformed("/images: there is no such data set in the file") }
        images = try file.dataset("/images")
        guard images.shape.count == 4 else {
            throw malformed("/images: has shape \(images.shape), should be [samples, channels, side, side]")
        }
        guard images.shape[1] > 0, images.shape[2] > 0, images.shape[2] == images.shape[3] else {
            throw malformed("/images: has shape \(images.shape); images should be square")
        }
        switch images.type {
        case .uint8, .float16, .float32: break
        default: throw malformed("/images: is of type \(images.type), should be uint8, float16 or float32")
        }
        guard try images.virtualSources().isEmpty else {
            throw malformed("/images: points at other files; a shard holds its own values")
        }
        digests = try file.exists("/digests") ? file.dataset("/digests") : nil
        if let digests, digests.shape != [images.shape[0]] || digests.type != .uint32 {
            throw malformed(
                "/digests: is \(digests.type) of shape \(digests.shape), should be uint32 [\(images.shape[0])]; "
                    + "pack the data anew")
        }
        guard file.exists("/labels") else {
            labelValues = nil
            labels = .none
            return
        }
        let values = try file.dataset("/labels")
        labelValues = values
        guard values.shape.first == images.shape[0] else {
            throw malformed("/labels: has shape \(values.shape), but there are \(images.shape[0]) images")
        }
        switch (values.shape.count, values.type) {
        case (1, .int8), (1, .int16), (1, .int32), (1, .int64), (1, .uint8), (1, .uint16), (1, .uint32):
            labels = .classes
        case (2, .float16) where values.shape[1] > 0, (2, .float32) where values.shape[1] > 0,
            (2, .float64) where values.shape[1] > 0:
            labels = .continuous(values.shape[1])
        default:
            throw malformed(
                "/labels: is \(values.type) of shape \(values.shape), should be int32 [samples] or float32 [samples, length]"
            )
        }
    }

    /// Checks that this file and another are parts of one data set.
    ///
    /// - Throws: ``DatasetError``, naming this file and the first thing that differs.
    func requireConsistent(with first: Shard) throws {
        func require<Value: Equatable>(_ what: String, _ here: Value, _ there: Value) throws {
            if here != there { throw differs(what, "\(here)", "\(there)", first) }
        }
        try require("/images: the shape of an image", Array(images.shape[1...]), Array(first.images.shape[1...]))
        try require("/images: the type", images.type, first.images.type)
        try require("/labels: the kind of labels", labels, first.labels)
        if let difference = attributes.difference(from: first.attributes) {
            throw differs("attribute \(difference.attribute)", difference.here, difference.there, first)
        }
    }

    private func differs(_ what: String, _ here: String, _ there: String, _ first: Shard) -> DatasetError {
        DatasetError(
            .malformed, path, "\(what) is \(here), but \(there) in \(first.path): they are not of one data set")
    }

    /// All class labels.
    ///
    /// - Throws: an error that names the file if they are damaged or beyond 32 bits.
    func classLabels() throws -> [Int32] {
        guard labels == .classes, let labelValues else { return [] }
        return try labelValues.read(Int.self).enumerated().map { row, value in
            guard let label = Int32(exactly: value) else {
                throw DatasetError(.malformed, path, "/labels: label \(value) of sample \(row) is beyond 32 bits")
            }
            return label
        }
    }
}
