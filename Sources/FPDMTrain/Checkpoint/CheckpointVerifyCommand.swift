import ArgumentParser
import Checkpoints
import Reporting

struct CheckpointVerifyCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "verify", abstract: "Check every byte of a checkpoint, or of all checkpoints of a run.",
        discussion: "Exit code 65 if anything is not as it was written.")

    @Argument(help: "A checkpoint's folder, or a run's.") var path: String
    @Flag(help: "Print JSON.") var json = false

    func run() throws {
        let found = try CheckpointStore.all(under: path).map { try CheckpointVerification($0) }
        if json {
            try Console.printJSON(found)
        } else {
            for checkpoint in found {
                for file in checkpoint.files {
                    print("\(checkpoint.path)/\(file.name): \(file.problem.map { "damaged: \($0)" } ?? "valid")")
                }
            }
        }
        if !found.allSatisfy(\.isValid) { throw ExitCode(Failure.Status.badData.rawValue) }
    }
}
