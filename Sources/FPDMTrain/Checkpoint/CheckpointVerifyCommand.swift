import ArgumentParser
import Checkpoints
import Reporting

struct CheckpointVerifyCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "verify", abstract: "Check every byte of a checkpoint, or of all checkpoints of a run.",
        discussion: """
            Names each damaged file, and the tensors that have lost values by it. Exit code 65 if anything is not as \
            it was written.
            """)

    @Argument(help: "A checkpoint's folder, or a run's.") var path: String
    @Flag(help: "Print JSON.") var json = false

    func run() throws {
        try Session.requireOneProcess("checkpoint verify")
        let all = try CheckpointStore.all(under: path).map { try CheckpointVerification($0) }
        for gone in all.filter(\.isGone) { Console.log.notice("\(gone.path): was deleted meanwhile") }
        let found = all.filter { !$0.isGone }
        if json {
            try Console.printJSON(found)
        } else {
            for checkpoint in found {
                for file in checkpoint.files {
                    print("\(checkpoint.path)/\(file.name): \(text(file))")
                }
            }
        }
        if !found.allSatisfy(\.isValid) { throw ExitCode(Failure.Status.badData.rawValue) }
    }

    private func text(_ file: CheckpointVerification.File) -> String {
        guard let problem = file.problem else { return "valid" }
        let tensors = file.tensors.prefix(3).joined(separator: ", ")
        let more = file.tensors.count > 3 ? " and \(file.tensors.count - 3) more" : ""
        return "damaged: \(problem)\(tensors.isEmpty ? "" : "; lost: \(tensors)\(more)")"
    }
}
