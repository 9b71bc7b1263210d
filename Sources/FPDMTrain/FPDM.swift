import ArgumentParser
import Training

/// The program.
struct FPDM: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "fpdm",
        abstract: "Trains Fixed Point Diffusion Models and Diffusion Transformers on CPU clusters.",
        discussion: """
            A job file says what to train; a run folder holds what came of it.

              fpdm train jobs/digits.yaml                 on this machine
              mpirun -n 4 fpdm train jobs/digits.yaml     on four ranks, to the same bits
              fpdm sample runs/digits --count 100         pictures
              fpdm checkpoint inspect runs/digits         what is in there

            Exit codes: 0 done, 1 different, 64 usage, 65 bad data, 66 no input, 70 internal, 73 would overwrite,
            74 input or output failed, 75 try again.
            """,
        version: ProgramVersion.current,
        subcommands: [
            TrainCommand.self, SampleCommand.self, EvaluateCommand.self, DataCommand.self, CheckpointCommand.self,
            SelfcheckCommand.self, BenchCommand.self,
        ])
}
