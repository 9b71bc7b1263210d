extension ModelConfiguration {
    /// The published sizes (arXiv 2212.09748, table 1).
    public static let namedSizes: [String: (depth: Int, width: Int, heads: Int)] = [
        "S": (12, 384, 6), "B": (12, 768, 12), "L": (24, 1024, 16), "XL": (28, 1152, 16),
    ]

    /// Takes depth, width, heads and patch size from a published name such as `DiT-XL/2`; false if there is no such.
    public mutating func apply(named name: String) -> Bool {
        let parts = name.split(separator: "/")
        guard parts.count == 2, parts[0].hasPrefix("DiT-") || parts[0].hasPrefix("FPDM-"),
            let size = Self.namedSizes[String(parts[0].drop { $0 != "-" }.dropFirst())],
            let patch = Int(parts[1]), [2, 4, 8].contains(patch)
        else { return false }
        (depth, width, heads) = size
        patchSize = patch
        return true
    }

    /// All published names.
    public static let publishedNames: [String] = ["DiT", "FPDM"].flatMap { family in
        ["S", "B", "L", "XL"].flatMap { size in ["2", "4", "8"].map { "\(family)-\(size)/\($0)" } }
    }

    /// The published name of this size, if it has one.
    public var publishedName: String? {
        let family = fixedPoint ? "FPDM" : "DiT"
        return Self.publishedNames.first { name in
            var named = self
            return name.hasPrefix(family) && named.apply(named: name) && named == self
        }
    }

    /// For instance `FPDM-S/2 (1 + fixed point + 1 blocks, width 384, ...)`.
    public var inWords: String {
        let family = fixedPoint ? "FPDM" : "DiT"
        let blocks = fixedPoint ? "\(preDepth) + fixed point + \(postDepth) blocks" : "\(depth) blocks"
        let labels =
            switch conditioning {
            case .classes: "\(classes) classes"
            case .continuous: "label vectors of \(classes)"
            case .none: "no labels"
            }
        return "\(publishedName ?? family) (\(blocks), width \(width), \(heads) heads, patch \(patchSize), images "
            + "\(channels) x \(imageSize) x \(imageSize), \(labels)\(learnSigma ? ", learned sigma" : ""))"
    }
}
