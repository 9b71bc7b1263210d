import Storage

/// What the attributes of a data set say: the same in each shard and in the file over all of them.
public struct DatasetAttributes: Equatable, Sendable {
    /// The version of the layout that this program writes, and the newest it reads.
    public static let version = 1
    /// What images may be.
    public static let contents = ["pixels", "latents", "moments"]

    /// `pixels`; `latents` of an autoencoder; or `moments`, their means and then the logarithms of their variances.
    public var content: String
    /// A stored value times `scale` plus `shift` is what a model sees: for pixels, in [-1, 1].
    public var scale: Double
    public var shift: Double
    /// How latents are scaled, of a data set of moments.
    public var latents: LatentScaling?
    /// What the classes are called, by number.
    public var labelNames: [String]?
    /// Where the data come from, as one cites it.
    public var source: String?
    /// What one may do with them.
    public var licence: String?

    public init(
        content: String = "pixels", scale: Double, shift: Double, latents: LatentScaling? = nil,
        labelNames: [String]? = nil, source: String? = nil, licence: String? = nil
    ) {
        self.content = content
        self.scale = scale
        self.shift = shift
        self.latents = latents
        self.labelNames = labelNames
        self.source = source
        self.licence = licence
    }

    /// The scale and shift that bring a range of stored values to [-1, 1].
    public static func scaling(from range: ClosedRange<Double>) -> (scale: Double, shift: Double) {
        let scale = 2 / (range.upperBound - range.lowerBound)
        return (scale, -1 - range.lowerBound * scale)
    }
}

extension DatasetAttributes {
    /// Reads the attributes of a file's root group.
    ///
    /// - Throws: ``DatasetError`` or `StorageError`, naming file and attribute.
    init(reading file: HDF5File) throws {
        func malformed(_ message: String) -> DatasetError { DatasetError(.malformed, file.path, message) }
        guard try file.hasAttribute("version") else {
            throw malformed("lacks the attribute version: it is no shard of a data set (docs: data/README.md)")
        }
        let version = try file.attribute("version", as: Int.self)
        guard (1...Self.version).contains(version) else {
            throw malformed("attribute version is \(version), but this program reads version \(Self.version)")
        }
        content = try file.attribute("content")
        guard Self.contents.contains(content) else {
            throw malformed("attribute content is \"\(content)\", not one of \(Self.contents.joined(separator: ", "))")
        }
        scale = try file.attribute("scale")
        guard scale.isFinite, scale != 0 else { throw malformed("attribute scale is \(scale), not a factor") }
        shift = try file.attribute("shift")
        guard shift.isFinite else { throw malformed("attribute shift is \(shift), not a number") }
        latents = content == "moments" ? try LatentScaling(reading: file) : nil
        labelNames = try file.hasAttribute("labelNames") ? file.attribute("labelNames") : nil
        source = try file.hasAttribute("source") ? file.attribute("source") : nil
        licence = try file.hasAttribute("licence") ? file.attribute("licence") : nil
    }

    /// Writes the attributes of a file's root group, text without the heap that HDF5 keeps it in otherwise: a flipped
    /// bit there makes other programs crash that read the file without its digest.
    func write(to file: HDF5File) throws {
        func set(_ name: String, _ value: some HDF5AttributeValue) throws {
            try file.setAttribute(name, value, fixedLength: true)
        }
        try set("version", Self.version)
        try set("content", content)
        try set("scale", scale)
        try set("shift", shift)
        if let latents {
            try set("latentScale", latents.scale)
            try set("latentShift", latents.shift)
            if let autoencoder = latents.autoencoder { try set("autoencoder", autoencoder) }
        }
        if let labelNames { try set("labelNames", labelNames) }
        if let source { try set("source", source) }
        if let licence { try set("licence", licence) }
    }

    /// The first attribute that differs, with its value here and there.
    func difference(from other: Self) -> (attribute: String, here: String, there: String)? {
        func text<Value>(_ value: Value?) -> String { value.map { "\($0)" } ?? "not there" }
        if content != other.content { return ("content", content, other.content) }
        if scale != other.scale { return ("scale", text(scale), text(other.scale)) }
        if shift != other.shift { return ("shift", text(shift), text(other.shift)) }
        if latents != other.latents { return ("latentScale", text(latents), text(other.latents)) }
        if labelNames != other.labelNames { return ("labelNames", text(labelNames), text(other.labelNames)) }
        if source != other.source { return ("source", text(source), text(other.source)) }
        if licence != other.licence { return ("licence", text(licence), text(other.licence)) }
        return nil
    }
}
