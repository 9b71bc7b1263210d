import Yams

/// How long a process may train before it saves and ends, to be started again.
///
/// Written `auto`, `none`, seconds, or with units as in `1h30m`.
public enum TimeLimit: Equatable, Sendable {
    /// What Slurm says is left of the job; none outside of Slurm.
    case automatic
    case unlimited
    case seconds(Int)

    private static let units: [(name: Character, seconds: Int)] = [("d", 86_400), ("h", 3600), ("m", 60), ("s", 1)]

    /// Nil for another text, and for no time at all.
    init?(text: String) {
        switch text {
        case "auto": self = .automatic
        case "none": self = .unlimited
        default:
            guard let seconds = Int(text) ?? Self.sum(text), seconds > 0 else { return nil }
            self = .seconds(seconds)
        }
    }

    /// Whole numbers with units, the larger ones first, each once.
    private static func sum(_ text: String) -> Int? {
        var (rest, total, units) = (text[...], 0, units[...])
        while !rest.isEmpty {
            let digits = rest.prefix { $0.isASCII && $0.isNumber }
            rest = rest.dropFirst(digits.count)
            guard let number = Int(digits), let name = rest.popFirst(),
                let unit = units.firstIndex(where: { $0.name == name })
            else { return nil }
            let (product, overflows) = number.multipliedReportingOverflow(by: units[unit].seconds)
            guard !overflows, product < 1 << 40 else { return nil }
            total += product
            units = units[(unit + 1)...]
        }
        return total
    }
}

extension TimeLimit: CustomStringConvertible {
    /// As a job has it.
    public var description: String {
        switch self {
        case .automatic: return "auto"
        case .unlimited: return "none"
        case .seconds(var rest):
            var text = ""
            for (name, length) in Self.units where rest >= length {
                text += "\(rest / length)\(name)"
                rest %= length
            }
            return text
        }
    }
}

extension TimeLimit: JobFieldValue {
    static var wanted: String { "auto, none, seconds, or a duration such as 1h30m" }
    static var choices: [String] { ["auto", "none"] }

    init?(yaml node: Node) {
        guard let text = node.scalar?.string else { return nil }
        self.init(text: text)
    }

    var yaml: String { description }
}
