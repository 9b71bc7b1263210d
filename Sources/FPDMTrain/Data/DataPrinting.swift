import Datasets

/// What data sets hold, as text for a terminal.
enum DataPrinting {
    static func text(_ summary: DatasetSummary) -> String {
        var rows = [
            ["data set", summary.path],
            ["samples", "\(summary.samples)"],
            [
                "images",
                "\(summary.imageShape.map(String.init).joined(separator: " x ")) (channels, height, width) \(summary.type) \(summary.content)",
            ],
            ["scaling", "value * \(summary.scale) \(summary.shift < 0 ? "-" : "+") \(abs(summary.shift))"],
            ["labels", summary.labelLength.map { "vectors of \($0)" } ?? summary.labels],
        ]
        if let latents = summary.latents { rows.append(["latents", latents]) }
        rows.append(["fingerprint", summary.fingerprint.description])
        if !summary.hasDigests {
            rows.append(["digests", "none for some or all samples: pack the data anew for them"])
        }
        if let source = summary.source { rows.append(["source", source]) }
        if let licence = summary.licence { rows.append(["licence", licence]) }
        for shard in summary.shards {
            rows.append(["file", "\(shard.file), \(shard.samples) samples, \(shard.bytes) bytes"])
        }
        rows.append(["all in one", summary.wholeFile ?? "missing: \(summary.path).h5"])
        for count in summary.classes {
            let name = count.name.map { $0 == "\(count.label)" ? "" : " (\($0))" } ?? ""
            rows.append(["class \(count.label)\(name)", "\(count.samples) samples"])
        }
        return ([table(rows, texts: 2)] + summary.notes.map { "note: \($0)" }).joined(separator: "\n")
    }

    static func text(_ verification: DatasetVerification) -> String {
        let notes = verification.notes.map { "note: \($0)" }
        let count = verification.problems.count
        let result =
            verification.isSound
            ? "\(verification.path): sound (\(verification.samplesRead) samples in \(verification.filesRead) files read)"
            : "\(count) \(count == 1 ? "problem" : "problems")"
        return (notes + verification.problems.map(\.description) + [result]).joined(separator: "\n")
    }
}
