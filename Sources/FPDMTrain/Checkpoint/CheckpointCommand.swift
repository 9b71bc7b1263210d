import ArgumentParser

/// `fpdm checkpoint`: looking at what a run has saved, and handing it on.
struct CheckpointCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "checkpoint",
        abstract: "Look at checkpoints, check them, compare them, hand their weights on, take others in.",
        discussion: """
            A checkpoint is a folder RUN/checkpoints/step-0001000. Where one is asked for, the folder of a run does \
            too: it stands for the latest valid checkpoint in it. `h5dump` and h5py open the file checkpoint.h5 in it.
            """,
        subcommands: [
            CheckpointInspectCommand.self, CheckpointVerifyCommand.self, CheckpointDiffCommand.self,
            CheckpointExportCommand.self, CheckpointImportCommand.self,
        ])
}
