import Checkpoints
import Compute
import Jobs
import Model
import TestSupport

/// A job with a tiny network, and a checkpoint of step 42 with weights under which every parameter matters.
final class SavedNetwork {
    let folder: TestFolder
    let job: JobConfiguration
    let table: ParameterTable
    /// `model` and `ema`, all parameters of each.
    let tensors: [CheckpointPiece]
    let reader: CheckpointReader
    private let memory = TestMemory()

    init(_ change: (inout ModelConfiguration) -> Void = { _ in }) throws {
        folder = try TestFolder()
        var job = JobConfiguration()
        (job.run.directory, job.run.name, job.data.path) = ("runs/x", "tiny", "data/x")
        job.model = tinyModel(change)
        if job.model.conditioning == .none { job.data.labelDropout = 0 }
        self.job = job
        let table = ParameterTable(job.model)
        self.table = table
        let memory = memory
        tensors = ["model", "ema"].flatMap { group in
            let flat = testWeights(table).map { group == "ema" ? -$0 : $0 }
            return table.parameters.map { parameter in
                CheckpointPiece(
                    group: group, name: parameter.name, shape: parameter.shape,
                    values: memory.floats(Array(flat[parameter.range])))
            }
        }
        let metadata = CheckpointMetadata(
            step: 42, jobYAML: job.yaml(), labelNames: ["x", "y", "z"], worldSize: 1, hosts: ["node"], version: "0.2")
        reader = try .open(try CheckpointWriter.write(tensors, metadata: metadata, run: folder("run")))
    }

    /// The values of a group, in the order of the table.
    func values(_ group: String) -> [[Float]] { tensors.filter { $0.extent.group == group }.map(\.values.array) }
}
