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
            mpirun -n 3 fpdm train jobs/digits.yaml --resume auto
            fpdm train my-job.yaml --start-from runs/digits

            The run folder (run.directory) gets job.yaml, metrics.jsonl and checkpoints/. Every key of a job file is \
            explained by --keys. Any number of ranks from 1 to training.virtualRanks will do; the result is the same bits \
            for each. Unless run.threads says otherwise, the cores that the launcher bound \
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
            never: refuse a run folder that exists; auto: go on from its latest valid checkpoint, or start anew where \
            there is none at all; PATH: go on from this checkpoint.
            """)
    var resume = "never"

    @Flag(
        name: .long,
        help: """
            With --resume PATH: go on even where job, data or matrix kernels give other bits than the recorded run. \
            The change is recorded, and --resume auto goes on with it.
            """)
    var allowChanges = false

    @Option(
        name: .long,
        help: """
            Begin a new run from the weights of a checkpoint, or of the latest valid one of a run folder: the trained \
            weights and their average; or of a safetensors file or a model's folder, whose weights are the average, too. \
            Optimizer and step start anew.
            """,
        completion: .file())
    var startFrom: String?

    @Flag(name: .long, help: "Print the job with all its values, and stop.")
    var dryRun = false

    @Flag(name: .long, help: "Print what each key of a job file means, and stop.")
    var keys = false

    func validate() throws {
        if job == nil && !keys { throw ValidationError("Name a job file, such as jobs/digits.yaml") }
        let resumesPath = resume != "never" && resume != "auto"
        if allowChanges && !resumesPath {
            throw ValidationError("--allow-changes goes with --resume PATH, which names the checkpoint to change from")
        }
        if startFrom != nil && resumesPath {
            throw ValidationError("--start-from begins a new run and --resume PATH goes on with one: give one of them")
        }
    }

    func run() throws {
        if keys {
            if LauncherEnvironment.rank == 0 { print(JobConfiguration.documentation()) }
            return
        }
        let configuration = try JobConfiguration.load(path: job ?? "", overrides: overrides)
        if dryRun {
            if LauncherEnvironment.rank == 0 { print(configuration.yaml(), terminator: "") }
            return
        }
        var options = RunOptions()
        options.allowingChanges = allowChanges
        options.startFrom = startFrom
        options.overriddenKeys = Set(overrides.map { String($0.prefix { $0 != "=" }) })
        options.resume =
            switch resume {
            case "never": .never
            case "auto": .auto
            default: .checkpoint(resume)
            }
        // Until the process is gone: no signal is to change how a run ends that has saved all it had.
        _ = Unmanaged.passRetained(StopSignals())
        let runtime = try Session.start()
        let reporter = TrainingReporter(speaks: runtime.world.rank == 0)
        let run = try TrainingRun(configuration, options, runtime: runtime, observer: reporter)
        let ending = try run?.train(reporter) ?? .finished
        reporter.ended()
        Console.exit(ending.exitCode)
    }
}
