import Compute
import Model
import Storage

/// What a network makes of given inputs, for comparing it with another implementation.
public enum NetworkOutputs {
    /// Puts inputs through a network, and writes `/output` [N, O, S, S] in float32 as HDF5. O is C, or 2 C with a learned
    /// sigma.
    ///
    /// - Parameters:
    ///   - weights: a flat vector.
    ///   - iterations: of an FPDM's fixed point, from the embedded input; a DiT ignores them.
    ///   - batch: inputs at once.
    ///   - path: nothing may be there yet.
    ///   - attributes: what was done, for the file to say.
    ///   - progress: is told how many inputs are done.
    /// - Throws: `StorageError`, `.exists` if there is something at `path`; then there is no file of this.
    public static func write(
        _ inputs: NetworkInputs, through model: ModelConfiguration, weights: FloatBuffer, iterations: Int, batch: Int,
        engine: Engine, attributes: [String: String], to path: String, progress: (Int) -> Void = { _ in }
    ) throws {
        let capacity = min(batch, inputs.count)
        let network = Network(model, engine: engine, capacity: capacity, use: .inference)
        network.load(weights)
        let (arena, images) = Arena.build("inputs") { $0.take(capacity * model.imageValues) }
        try HDF5File.write(to: path) { file in
            let shape = [model.outputChannels, model.imageSize, model.imageSize]
            let output = try file.createDataset("output", .float32, shape: [inputs.count] + shape)
            for first in stride(from: 0, to: inputs.count, by: capacity) {
                let range = first..<min(first + capacity, inputs.count)
                network.forward(
                    try inputs.read(range, into: images),
                    iterations: Iterations(withoutGradient: iterations, withGradient: 0))
                try output.write(
                    network.output.slice(0, range.count * model.outputValues).readable,
                    start: [first, 0, 0, 0], count: [range.count] + shape)
                progress(range.upperBound)
            }
            for (name, value) in attributes.sorted(by: { $0.key < $1.key }) { try file.setAttribute(name, value) }
            if model.fixedPoint { try file.setAttribute("iterations", iterations) }
        }
        withExtendedLifetime(arena) {}
    }
}
