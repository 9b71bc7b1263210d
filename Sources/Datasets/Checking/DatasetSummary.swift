import Storage

/// What a data set holds, as `fpdm data inspect` shows them; with `--json`, under these names.
public struct DatasetSummary: Codable, Equatable, Sendable {
    /// A class and how many samples have it.
    public struct ClassCount: Codable, Equatable, Sendable {
        public let label: Int
        public let name: String?
        public let samples: Int
    }

    /// One file.
    public struct ShardFile: Codable, Equatable, Sendable {
        public let file: String
        public let samples: Int
        public let bytes: Int
    }

    /// The base path.
    public let path: String
    public let samples: Int
    /// [C, H, W] of an image.
    public let imageShape: [Int]
    /// `uint8`, `float16` or `float32`.
    public let type: String
    /// `pixels`, `latents` or `moments`.
    public let content: String
    /// A stored value times `scale` plus `shift` is what a model sees.
    public let scale: Double
    public let shift: Double
    /// How latents are scaled that are drawn from moments, in words; nil for other content.
    public let latents: String?
    /// `classes`, `continuous` or `none`.
    public let labels: String
    /// K, where labels are vectors.
    public let labelLength: Int?
    /// How many samples each class has, by number; classes that only have a name are there with 0.
    public let classes: [ClassCount]
    /// What checkpoints record of the data.
    public let fingerprint: DatasetFingerprint
    /// Whether every file holds a digest for each sample.
    public let hasDigests: Bool
    public let source: String?
    public let licence: String?
    public let shards: [ShardFile]
    /// `NAME.h5`, if it is there.
    public let wholeFile: String?
    /// What in the way it lies in its files makes training on it slow, or its order poor; each a sentence.
    public let notes: [String]

    /// Gathers them; images are read only where files hold no digests, for the fingerprint.
    public init(_ dataset: ShardedDataset) throws {
        path = dataset.name.base
        samples = dataset.count
        imageShape = [dataset.channels, dataset.side, dataset.side]
        type = "\(dataset.type)"
        content = dataset.content
        scale = dataset.scale
        shift = dataset.shift
        latents = dataset.attributes.latents?.description
        switch dataset.labels {
        case .classes: (labels, labelLength) = ("classes", nil)
        case .continuous(let length): (labels, labelLength) = ("continuous", length)
        case .none: (labels, labelLength) = ("none", nil)
        }
        var counts: [Int: Int] = [:]
        for label in dataset.classLabels { counts[Int(label), default: 0] += 1 }
        let names = dataset.labelNames ?? []
        classes = Set(counts.keys).union(names.indices).sorted().map { label in
            ClassCount(
                label: label, name: names.indices.contains(label) ? names[label] : nil, samples: counts[label] ?? 0)
        }
        fingerprint = try dataset.fingerprint()
        hasDigests = dataset.hasDigests
        source = dataset.attributes.source
        licence = dataset.attributes.licence
        shards = try zip(dataset.shardPaths, dataset.shardCounts).map { path, count in
            ShardFile(file: path, samples: count, bytes: try Files.size(of: path))
        }
        wholeFile = try Files.exists(dataset.name.whole) ? dataset.name.whole : nil
        notes = try dataset.layoutNotes()
    }
}
