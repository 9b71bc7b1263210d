import ArgumentParser
import Distributed
import Jobs
import Reporting
import Training

/// `fpdm train`
struct TrainCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "train",
        abstract: "Train a model as a job file says, alone or on the ranks of mpirun or srun.",
        discussion: """
            fpdm train jobs/digits.yaml
            mpirun -n 2 fpdm train jobs/digits.yaml --set training.steps=500 --resume auto

            The run folder (run.directory) gets job.yaml, metrics.jsonl and checkpoints/. Every key of a job file is \
            explained by --keys. Any number of ranks from 1 to training.virtualRanks gives the same bits; one that \
            divides it idles nothing. Unless run.threads says otherwise, the cores that the launcher bound \
            this process to are shared among the ranks of the node.
            """)

    @Argument(help: "Job file (YAML).", completion: .file(extensions: ["yaml", "yml"]))
    var job: String?

    @Option(
        name: .customLong("set"), help: "Override a key of the job, such as training.steps=300. May be repeated.")
    var overrides: [String] = []

    @Option(
        name: .long,
        help: """
            never: refuse a run folder that exists; auto: go on from its newest good checkpoint, or start anew; \
            PATH: go on from this checkpoint.
            """)
    var resume = "never"

    @Flag(name: .long, help: "Resume even where other matrix kernels than the recorded ones give other bits.")
    var allowOtherKernels = false

    @Flag(name: .long, help: "Print the job with all its values, and stop.")
    var dryRun = false

    @Flag(name: .long, help: "Print what each key of a job file means, and stop.")
    var keys = false

    func validate() throws {
        if job == nil && !keys { throw ValidationError("Name a job file, such as jobs/digits.yaml") }
    }

    func run() throws {
        if keys {
            if LauncherEnvironment.rank == 0 { print(JobConfiguration.documentation()) }
            return
        }
        let configuration = try JobConfiguration.load(path: job ?? "", overrides: overrides)
        let problems = configuration.problems(forRanks: LauncherEnvironment.size)
        if let problem = problems.first { throw Failure(.badData, "\(job ?? ""): \(problem.description)") }
        if dryRun {
            if LauncherEnvironment.rank == 0 { print(configuration.yaml(), terminator: "") }
            return
        }
        let mode: TrainingRun.Resume =
            switch resume {
            case "never": .never
            case "auto": .auto
            default: .checkpoint(resume)
            }
        let runtime = try Session.start()
        let reporter = TrainingReporter(speaks: runtime.world.rank == 0)
        let run = try TrainingRun(
            configuration, resume: mode, allowingOtherKernels: allowOtherKernels, runtime: runtime, observer: reporter)
        try run?.train(reporter)
        Console.exit(0)
    }
}
