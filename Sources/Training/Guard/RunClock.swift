/// What is left of a run's time, and what a stop in good order needs of it.
struct RunClock {
    /// Seconds kept for what is not measured: the launcher's and the program's ends, and a save slower than any before.
    static let margin = 10.0
    /// Steps and validations that take no longer are finished when a wish to stop comes; of longer ones what was begun
    /// is dropped. Seconds.
    static let longWork = 5.0

    /// What is begun and ended, and looks for wishes to stop meanwhile.
    enum Work {
        case step
        case validation
    }

    /// Of a step; nil before the first one.
    private(set) var longestStep: Double?
    /// Of a validation, which no step waits for: it is dropped where time is short.
    private(set) var longestValidation: Double?
    /// Of a save; an estimate before the first one.
    private(set) var longestSave: Double

    /// - Parameter bytes: of a checkpoint.
    init(checkpointBytes bytes: Int) {
        // A slow file system's pace, until there is a measurement.
        longestSave = Double(bytes) / 100e6
    }

    mutating func measured(_ work: Work, _ seconds: Double) {
        switch work {
        case .step: longestStep = max(longestStep ?? 0, seconds)
        case .validation: longestValidation = max(longestValidation ?? 0, seconds)
        }
    }

    mutating func measured(save seconds: Double) { longestSave = max(longestSave, seconds) }

    /// Whether what was begun is not waited for: it takes long already, or others did. The first step may, so that it
    /// is never waited for; validations are few, and the first is given its chance.
    ///
    /// - Parameter seconds: for which it has been going on.
    func isLong(_ work: Work, after seconds: Double) -> Bool {
        let longest = work == .step ? longestStep ?? .infinity : longestValidation ?? 0
        return max(seconds, longest) > Self.longWork
    }

    /// Whether the time that is left is needed for saving at once, whatever has been begun.
    func mustSave(left: Double) -> Bool { left < 1.5 * longestSave + Self.margin }

    /// Whether another step might end too late for saving after it.
    func mustStop(left: Double) -> Bool { mustSave(left: left - 1.25 * (longestStep ?? 0)) }
}
