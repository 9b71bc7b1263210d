/// The candidate that a misspelt word most likely meant; nil if none is close.
func nearest(to word: String, among candidates: [String]) -> String? {
    let lowered = word.lowercased()
    let best = candidates.map { (name: $0, distance: editDistance(lowered, $0.lowercased())) }
        .min { $0.distance < $1.distance }
    guard let best, best.distance <= max(1, word.count / 3) else { return nil }
    return best.name
}

/// The smallest number of insertions, deletions, replacements and swaps of neighbours between two words
/// (optimal string alignment).
func editDistance(_ first: String, _ second: String) -> Int {
    let a = Array(first)
    let b = Array(second)
    var beforeLast = [Int]()
    var last = Array(0...b.count)
    for i in a.indices {
        var row = [i + 1]
        for j in b.indices {
            var cost = min(last[j + 1] + 1, row[j] + 1, last[j] + (a[i] == b[j] ? 0 : 1))
            if i > 0, j > 0, a[i] == b[j - 1], a[i - 1] == b[j] { cost = min(cost, beforeLast[j - 1] + 1) }
            row.append(cost)
        }
        (beforeLast, last) = (last, row)
    }
    return last[b.count]
}

extension JobConfiguration {
    /// What the table has that a key which it lacks most likely meant: fields or a section; empty if nothing is close.
    /// `section` is empty at the top of a file.
    static func meant(byUnknown key: String, in section: String) -> [String] {
        if let name = newNames["\(section).\(key)"] { return [name] }
        let known = sections.first { $0.key == section }
        if let known, let field = nearest(to: key, among: known.fields.map(\.key)) { return ["\(section).\(field)"] }
        if known == nil, let name = nearest(to: key, among: sections.map(\.key)) { return [name] }
        return fields.filter { $0.key.lowercased() == key.lowercased() }.map(\.name)
    }

    /// What to do about a key that the table lacks; `section` is empty at the top of a file.
    static func remedy(forUnknown key: String, in section: String) -> String {
        let meant = meant(byUnknown: key, in: section)
        // A section's name has no dot.
        let kind = meant.first.map { $0.contains(".") ? "key" : "section" }
        if let kind { return "unknown \(kind); did you mean \(meant.joined(separator: " or "))?" }
        if let known = sections.first(where: { $0.key == section }) {
            return "unknown key; \(section) has \(known.fields.map(\.key).joined(separator: ", "))"
        }
        return "unknown section; a job has \(sections.map(\.key).joined(separator: ", "))"
    }
}
