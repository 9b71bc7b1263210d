import Glibc

/// What Slurm says about the time that a job has left.
enum SlurmTime {
    /// This process's job, by its number; nil outside of Slurm.
    static func job(_ variable: (String) -> String?) -> String? {
        guard let id = variable("SLURM_JOB_ID"), !id.isEmpty, id.allSatisfy({ $0.isASCII && $0.isNumber }) else {
            return nil
        }
        return id
    }

    /// Seconds left as the job's environment tells, from its start: a limit that was changed since is not in there.
    ///
    /// - Parameter now: seconds since 1970.
    static func left(_ variable: (String) -> String?, now: Double) -> Double? {
        variable("SLURM_JOB_END_TIME").flatMap { Double($0) }.map { $0 - now }
    }

    /// What `squeue` answered.
    enum Answer: Equatable {
        /// Seconds.
        case left(Double)
        case unlimited
    }

    /// Asks the controller; nil where it does not answer. Waits for it, 20 s at most.
    static func ask(job: String) -> Answer? {
        // By its shell, for the time-out: a controller that hangs must hang nothing here.
        guard let pipe = popen("timeout 20 squeue --noheader --jobs=\(job) --format=%L 2>/dev/null", "r") else {
            return nil
        }
        var line = [CChar](repeating: 0, count: 256)
        let isAnswered = fgets(&line, Int32(line.count), pipe) != nil
        pclose(pipe)
        guard isAnswered else { return nil }
        return answer(String(decoding: line.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self))
    }

    /// Time left in Slurm's notation, `days-hours:minutes:seconds` without leading parts that are 0 (squeue(1), `%L`).
    static func answer(_ text: String) -> Answer? {
        let text = text.filter { !$0.isWhitespace }
        if text == "UNLIMITED" { return .unlimited }
        let parts = text.split(separator: "-", omittingEmptySubsequences: false)
        let clock = (parts.last ?? "").split(separator: ":", omittingEmptySubsequences: false).map { Int($0) }
        let days = parts.count == 2 ? Int(parts[0]) : 0
        guard let days, days >= 0, parts.count <= 2, 2...3 ~= clock.count, clock.allSatisfy({ ($0 ?? -1) >= 0 })
        else { return nil }
        return .left(Double(days * 86_400 + clock.compactMap { $0 }.reduce(0) { 60 * $0 + $1 }))
    }
}
