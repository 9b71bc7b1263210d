import ArgumentParser
import Foundation
import Jobs
import Model
import Sampling

extension SavedWeights: ExpressibleByArgument {
    public init?(argument: String) { self.init(rawValue: argument == "average" ? Self.ema.rawValue : argument) }
}

struct CheckpointExportCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "export", abstract: "Write a checkpoint's weights as safetensors, under the published names.",
        discussion: """
            fpdm checkpoint export runs/digits --output weights.safetensors
            fpdm checkpoint export runs/digits --output models/digits

            The file also records the job, so that fpdm sample, fpdm checkpoint import, fpdm apply and fpdm train \
            --start-from know its network, and the names of the classes. A name without an ending becomes a folder with the \
            file, model.safetensors, and the job beside it for people to read, job.yaml.
            """)

    @Argument(help: "A checkpoint's folder, or a run's.") var path: String
    @Option(help: "The file or folder to write; it must not exist.") var output: String
    @Option(help: "The moving average of the weights (ema), or the weights themselves (model).")
    var weights: SavedWeights = .ema

    func run() throws {
        try Session.requireOneProcess("checkpoint export")
        try Output.requireNew(output)
        let reader = try CheckpointSupport.open(path)
        let table = ParameterTable(try JobConfiguration.recorded(reader.metadata.jobYAML, in: reader.path).model)
        if NSString(string: output).pathExtension.isEmpty {
            try WeightsExport.writeFolder(reader, weights: weights, to: output, table: table)
        } else {
            try WeightsExport.write(reader, weights: weights, to: output, table: table)
        }
        print("\(output): \(weights.rawValue) of step \(reader.metadata.step), \(reader.path)")
    }
}
