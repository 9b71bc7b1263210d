import Reporting

extension JobConfiguration {
    /// The job that a checkpoint records as text, written by this version or an earlier one.
    ///
    /// - Parameters:
    ///   - yaml: the recorded text.
    ///   - checkpoint: its path, for messages.
    ///   - overrides: `section.key=value` each.
    /// - Throws: `JobErrors` for a bad override; `Failure`, bad data, where the text is not understood.
    public static func recorded(
        _ yaml: String, in checkpoint: String, overrides: [String] = []
    ) throws -> JobConfiguration {
        do {
            return try parse(yaml: upgraded(yaml), name: "the job in \(checkpoint)", overrides: overrides)
        } catch let errors as JobErrors where errors.cause != .usage {
            let first = errors.errors.first.map(\.description) ?? ""
            throw Failure(.badData, "\(checkpoint): this program does not understand its job: \(first)")
        }
    }

    /// Version 0.1 called virtual ranks gradient shards.
    private static func upgraded(_ yaml: String) -> String {
        yaml.split(separator: "\n", omittingEmptySubsequences: false).map { line in
            line.hasPrefix("  gradientShards: ")
                ? "  virtualRanks: " + line.dropFirst("  gradientShards: ".count) : line
        }.joined(separator: "\n")
    }
}
