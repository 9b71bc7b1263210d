import ArgumentParser
import Model
import Training

extension CheckpointExport.Weights: ExpressibleByArgument {}

struct CheckpointExportCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "export", abstract: "Write a checkpoint's weights as safetensors, under the published names.")

    @Argument(help: "A checkpoint's folder, or a run's.") var path: String
    @Option(help: "The file to write; it must not exist.") var output: String
    @Option(help: "The moving average of the weights (ema), or the weights themselves (model).")
    var weights: CheckpointExport.Weights = .ema

    func run() throws {
        let reader = try CheckpointSupport.open(path)
        let table = ParameterTable(try reader.job().model)
        try CheckpointExport.write(reader, weights: weights, to: output, table: table)
        print("\(output): \(weights.rawValue) of step \(reader.facts.step), \(reader.path)")
    }
}
