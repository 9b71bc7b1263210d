/// Sampling with fewer steps than training (arXiv 2102.09672, section 4; arXiv 2010.02502, appendix D.3).
public enum Respacing {
    /// The training steps that a sampler visits, ascending.
    ///
    /// - Parameter spec: `""` visits all; `"20"` 20 of them, evenly spaced from first to last; `"10,15,20"` so many
    ///   in each third; `"ddim50"` 50 at a fixed integer stride from step 0.
    /// - Throws: `DiffusionError` naming the spec and what would do.
    public static func timesteps(total: Int, _ spec: String) throws -> [Int] {
        guard !spec.isEmpty else { return Array(0..<total) }
        if spec.hasPrefix("ddim") { return try fixedStride(total: total, spec) }
        let sections = try counts(spec)
        var steps: Set<Int> = []
        var start = 0
        for (i, count) in sections.enumerated() {
            let size = total / sections.count + (i < total % sections.count ? 1 : 0)
            guard count <= size else {
                throw DiffusionError(
                    "respacing '\(spec)': section \(i + 1) of \(sections.count) holds \(size) of the \(total) steps "
                        + "and cannot give \(count); ask for at most \(size) there")
            }
            let stride = count <= 1 ? 1 : Double(size - 1) / Double(count - 1)
            var position = 0.0
            for _ in 0..<count {
                // Half to even, and summed up rather than multiplied: both as in the published code.
                steps.insert(start + Int(position.rounded(.toNearestOrEven)))
                position += stride
            }
            start += size
        }
        guard !steps.isEmpty else { throw DiffusionError("respacing '\(spec)' leaves no step; ask for 1 or more") }
        return steps.sorted()
    }

    private static func counts(_ spec: String) throws -> [Int] {
        try spec.split(separator: ",", omittingEmptySubsequences: false).map { part in
            var digits = part.drop { $0 == " " }
            while digits.last == " " { digits.removeLast() }
            guard let count = Int(digits), count >= 0 else {
                throw DiffusionError(
                    "respacing '\(spec)': '\(part)' is no number of steps; write 20, or 10,15,20 for a number in each "
                        + "section, or ddim50 for a fixed stride")
            }
            return count
        }
    }

    private static func fixedStride(total: Int, _ spec: String) throws -> [Int] {
        let digits = spec.dropFirst("ddim".count)
        guard let count = Int(digits), count > 0 else {
            throw DiffusionError("respacing '\(spec)': '\(digits)' is no number of steps; write for example ddim50")
        }
        // A stride s visits ceil(total / s) steps, which never grows with s.
        let available = (1..<max(total, 2)).map { (total + $0 - 1) / $0 }
        if let index = available.firstIndex(of: count) { return Array(stride(from: 0, to: total, by: index + 1)) }
        let below = available.filter { $0 < count }.max()
        let above = available.filter { $0 > count }.min()
        let nearest = [below, above].compactMap { $0 }.map { "ddim\($0)" }.joined(separator: " or ")
        throw DiffusionError(
            "respacing '\(spec)': no integer stride visits \(count) of \(total) steps; the nearest are \(nearest)")
    }
}
