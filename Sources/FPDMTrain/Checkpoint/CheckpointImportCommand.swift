import ArgumentParser
import Checkpoints
import Jobs
import Sampling

struct CheckpointImportCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "import", abstract: "Make a run folder with a checkpoint of weights from safetensors.",
        discussion: """
            fpdm checkpoint import weights.safetensors --job jobs/digits.yaml --output runs/imported
            fpdm checkpoint import models/fashion-fpdm --output runs/imported

            The model of the job decides about names (the published ones) and shapes; values may be F32, F16 or BF16. \
            A file that fpdm checkpoint export wrote carries its job; another's may lie beside it, in a folder, as \
            job.yaml. What comes of it can be sampled, inspected, exported and applied, and begins new runs by --start-from; having no optimizer, it cannot be resumed.
            """)

    @Argument(help: "Weights: a safetensors file, or a model's folder with one in it.", completion: .file())
    var weights: String
    @Option(
        help: "The weights' moving average, likewise; equal to the weights if not given.", completion: .file())
    var average: String?
    @Option(help: "Job file whose model it is.", completion: .file(extensions: ["yaml", "yml"])) var job: String?
    @Option(name: .customLong("set"), help: "Override a key of the job file, such as model.heads=4. May be repeated.")
    var overrides: [String] = []
    @Option(name: .shortAndLong, help: "The run folder to make; it must not exist.", completion: .directory)
    var output: String

    func validate() throws {
        if job == nil, !overrides.isEmpty {
            throw ValidationError("--set changes keys of a job file: give one, with --job")
        }
    }

    func run() throws {
        try Session.requireOneProcess("checkpoint import")
        let weights = try WeightsFile.required(weights)
        let average = try average.map { try WeightsFile.required($0) }
        let given = try job.map { try JobConfiguration.load(path: $0, overrides: overrides) }
        let job = try WeightsImport.job(given, for: weights, average: average)
        let path = try WeightsImport.write(weights, average: average, job: job, to: output)
        print("\(path): weights of \(job.model.inWords)")
    }
}
