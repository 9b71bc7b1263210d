extension NodeProcessors {
    /// What this node's processor is called, for a person; "unknown" where the kernel does not tell.
    public static var model: String { model(readFile: SystemFiles.read) }

    static func model(readFile: (String) -> String?) -> String {
        for line in (readFile("/proc/cpuinfo") ?? "").split(separator: "\n") where line.hasPrefix("model name") {
            // model name      : AMD EPYC 9R14
            let name = line.drop { $0 != ":" }.dropFirst().split(whereSeparator: \.isWhitespace)
            if !name.isEmpty { return name.joined(separator: " ") }
        }
        return "unknown"
    }

    /// Logical processors as a list such as `0-3,8` (cpuset(7), "List format").
    ///
    /// - Parameter mask: rising numbers.
    public static func list(_ mask: [Int]) -> String {
        var parts: [String] = []
        var index = 0
        while index < mask.count {
            let first = index
            while index + 1 < mask.count, mask[index + 1] == mask[index] + 1 { index += 1 }
            parts.append(first == index ? "\(mask[first])" : "\(mask[first])-\(mask[index])")
            index += 1
        }
        return parts.joined(separator: ",")
    }
}
