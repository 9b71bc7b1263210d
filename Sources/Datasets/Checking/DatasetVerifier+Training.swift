import Foundation

/// What training would refuse, or what would ruin it.
extension DatasetVerifier {
    /// Reports what no job could be made to fit.
    mutating func checkTrainable(_ first: Shard) {
        let isMoments = first.attributes.content == "moments"
        if isMoments, first.channels % 2 != 0 {
            report(
                name.base,
                "moments are means and as many variances, but it has \(first.channels) channels; pack the data anew")
        }
        guard let limits else { return }
        func check(_ value: Int, _ limit: ClosedRange<Int>, _ what: String) {
            guard !limit.contains(value) else { return }
            report(name.base, "\(what) \(value), but networks take \(limit.lowerBound) to \(limit.upperBound)")
        }
        check(first.side, limits.side, "the side of an image is")
        check(isMoments ? first.channels / 2 : first.channels, limits.channels, "the channels of an image are")
        if case .continuous(let length) = first.labels { check(length, 1...limits.classes, "labels are vectors of") }
    }

    /// Judges the values of all images as a model would see them.
    ///
    /// Pixels should fill [-1, 1]: noise of standard deviation 1 hides neither too much of them nor too little, and
    /// samples are clipped there. Latents should have a standard deviation of about 1 for the same reason.
    mutating func assess(_ first: Shard) {
        guard !seen.isEmpty else { return }
        switch first.attributes.content {
        case "pixels": assessPixels(first)
        case "latents": assessLatents(first)
        default: break
        }
    }

    private mutating func assessPixels(_ first: Shard) {
        let attributes = first.attributes
        let ends = [seen.least, seen.most].map { $0 * attributes.scale + attributes.shift }
        let (least, most) = (min(ends[0], ends[1]), max(ends[0], ends[1]))
        let found = "pixels run from \(least.short) to \(most.short) once they are scaled (\(attributes.given))"
        let range = first.images.type == .uint8 ? 0...255 : seen.least...seen.most
        let wanted = DatasetAttributes.scaling(from: range)
        let remedy =
            range.lowerBound < range.upperBound
            ? "; for -1 to 1 give the files scale \(wanted.scale.short) and shift \(wanted.shift.short)" : ""
        if max(-least, most) > 3 {
            report(name.base, "\(found), where a model is to see -1 to 1: it would learn nothing\(remedy)")
        } else if max(-least, most) > 1.1 {
            note("\(found), and samples are clipped to -1 to 1\(remedy)")
        } else if least == most {
            note("\(found): all are alike")
        } else if least > -0.1 {
            note("\(found), where a model is to see -1 to 1\(remedy)")
        }
    }

    private mutating func assessLatents(_ first: Shard) {
        let attributes = first.attributes
        let deviation = seen.standardDeviation * abs(attributes.scale)
        let found = "latents have a standard deviation of \(deviation.short) once they are scaled (\(attributes.given))"
        let remedy = deviation > 0 ? "; for about 1 give the files scale \((attributes.scale / deviation).short)" : ""
        if deviation > 100 {
            report(name.base, "\(found), where a model is to see about 1: it would learn nothing\(remedy)")
        } else if !(0.25...4).contains(deviation) {
            note("\(found), where a model is to see about 1\(remedy)")
        }
    }

    private mutating func note(_ message: String) { result.notes.append("\(name.base): \(message)") }
}

extension DatasetAttributes {
    fileprivate var given: String { "scale \(scale.short), shift \(shift.short)" }
}

extension Double {
    /// Four digits.
    fileprivate var short: String { String(format: "%.4g", self) }
}
