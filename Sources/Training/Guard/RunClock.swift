/// What is left of a run's time, and what a stop in good order needs of it.
struct RunClock {
    /// Seconds kept for what is not measured: the launcher's and the program's ends, and a save slower than any before.
    static let margin = 10.0

    /// Of a step, with what follows it; nil before the first one.
    private(set) var longestStep: Double?
    /// Of a save; an estimate before the first one.
    private(set) var longestSave: Double

    /// - Parameter bytes: of a checkpoint.
    init(checkpointBytes bytes: Int) {
        // A slow file system's pace, until there is a measurement.
        longestSave = Double(bytes) / 100e6
    }

    mutating func measured(step seconds: Double) { longestStep = max(longestStep ?? 0, seconds) }

    mutating func measured(save seconds: Double) { longestSave = max(longestSave, seconds) }

    /// Whether the time that is left is needed for saving at once, whatever has been begun.
    func mustSave(left: Double) -> Bool { left < 1.5 * longestSave + Self.margin }

    /// Whether another step might end too late for saving after it.
    func mustStop(left: Double) -> Bool { mustSave(left: left - 1.25 * (longestStep ?? 0)) }
}
