import ArgumentParser
import Reporting

/// The program.
struct FPDM: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "fpdm",
        abstract: "Trains Fixed Point Diffusion Models and Diffusion Transformers on CPU clusters.",
        discussion: """
            A job file says what to train; a run folder holds what came of it.

              fpdm train jobs/digits.yaml                 on this machine
              mpirun -n 4 fpdm train jobs/digits.yaml     on four ranks, to the same bits
              fpdm plan jobs/digits.yaml --ranks 4        what that will take
              fpdm sample runs/digits --count 100         pictures
              fpdm checkpoint inspect runs/digits         what is in there

            Exit codes (sysexits.h):
              0   done                    70  internal error, a library missing, a loss not finite
              1   checkpoints differ      73  would overwrite, or in use
              64  usage                   74  input or output failed, disk full
              65  bad data                75  saved: start me again
              66  no input
            """,
        version: ProgramVersion.current,
        subcommands: [
            TrainCommand.self, PlanCommand.self, SampleCommand.self, InvertCommand.self, EvaluateCommand.self,
            ApplyCommand.self, DataCommand.self,
            CheckpointCommand.self, SelfcheckCommand.self, BenchCommand.self,
        ])
}
