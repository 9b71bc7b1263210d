import ArgumentParser
import Foundation
import Jobs
import Model
import Reporting
import Sampling
import Storage

/// `fpdm apply`
struct ApplyCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "apply",
        abstract: "Put given inputs through a checkpoint's network.",
        discussion: """
            fpdm apply runs/digits inputs.h5 --output outputs.h5 --iterations 20

            For comparing with another implementation, which export and import hand the weights to or take them from. \
            INPUTS.h5 holds /x [N, C, S, S] in float32, /t [N], whole steps of the noise schedule (0 to 999), and /y: \
            classes [N] (the number of classes stands for no label), label vectors [N, K], or nothing for a model \
            without labels. The output file gets /output [N, O, S, S] in float32, the network's own output: what \
            diffusion.target names, and with a learned sigma as many channels again. Attributes say what was done.
            """)

    @Argument(
        help: "A checkpoint's folder, a run's or a model's; or a safetensors file that fpdm checkpoint export wrote.",
        completion: .file())
    var source: String

    @Argument(help: "Inputs (HDF5).", completion: .file(extensions: ["h5"])) var inputs: String

    @Option(name: .shortAndLong, help: "File to write; refused if it exists.", completion: .file(extensions: ["h5"]))
    var output: String

    @OptionGroup var from: SourceOptions

    @Option(
        name: .long,
        help: """
            Iterations of an FPDM's fixed point, begun from the embedded input; sampling.iterations of the job if not \
            given.
            """)
    var iterations: Int?

    @Option(name: .long, help: "Inputs in the network at once; last bits may depend on it.") var batch = 64

    @OptionGroup var engine: EngineOptions

    func validate() throws {
        if batch < 1 { throw ValidationError("--batch must be 1 or more, not \(batch)") }
        let limit = ModelConfiguration.solveIterationsLimit
        if let iterations, !limit.contains(iterations) {
            throw ValidationError(
                "--iterations must be from \(limit.lowerBound) to \(limit.upperBound), not \(iterations)")
        }
    }

    func run() throws {
        try Session.requireOneProcess("apply")
        try Output.requireNew(output)
        let source = try WeightsSource.open(source) { Console.log.notice("skipping \($0.reason)") }
        let job = try source.job(describedBy: from.job)
        if iterations != nil, !job.model.fixedPoint {
            throw Failure(.usage, "--iterations: \(source.path) is a DiT, which has no fixed point to iterate")
        }
        let kind = try source.kind(from.weights)
        let inputs = try NetworkInputs(inputs, for: job.model)
        let loaded = try source.weights(from.weights, of: job.model)
        let engine = try engine.makeEngine()
        var attributes = [
            "source": source.path, "inputs": inputs.path, "job": job.yaml(), "version": ProgramVersion.current,
            "backend": engine.name,
        ]
        attributes["weights"] = kind
        attributes["step"] = source.step.map { String($0) }
        let line = ProgressLine()
        try withExtendedLifetime(loaded) {
            try NetworkOutputs.write(
                inputs, through: job.model, weights: loaded.values, iterations: iterations ?? job.sampling.iterations,
                batch: batch, engine: engine, attributes: attributes, to: output
            ) { line.show("inputs \($0)/\(inputs.count)", plain: $0 == inputs.count) }
        }
        line.clear()
        let which = [kind, source.step.map { "step \($0)" }].compactMap(\.self).joined(separator: " of ")
        print("\(output): outputs of \(inputs.count) inputs, \(source.path)\(which.isEmpty ? "" : " (\(which))")")
    }
}
