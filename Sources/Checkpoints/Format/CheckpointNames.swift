/// The names of folders and files of checkpoints.
enum CheckpointNames {
    static let folder = "checkpoints"
    static let index = "checkpoint.h5"
    static let commit = "COMMIT"
    /// Work in progress, rejected folders, and those about to be removed: nothing looks for a checkpoint in them.
    static let partial = ".partial-"
    static let bad = ".bad-"
    static let deleting = ".deleting-"

    /// `step-0001000`: as text, steps below ten million sort as they should.
    static func step(_ step: Int) -> String { "step-\(padded(step, 7))" }

    /// The step of a folder's name; nil for any other name.
    static func step(of name: String) -> Int? {
        guard name.hasPrefix("step-"), let number = Int(name.dropFirst(5)), number >= 0, step(number) == name
        else { return nil }
        return number
    }

    /// `.partial-step-0001000-`: how the name of the folder begins in which this step is written.
    static func work(_ step: Int) -> String { "\(partial)\(self.step(step))-" }

    /// `rank-00000-of-00001.h5`
    static func rank(_ writer: Int, of writers: Int) -> String {
        "rank-\(padded(writer, 5))-of-\(padded(writers, 5)).h5"
    }

    private static func padded(_ number: Int, _ width: Int) -> String {
        let digits = String(number)
        return String(repeating: "0", count: max(0, width - digits.count)) + digits
    }
}
