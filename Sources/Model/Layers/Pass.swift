import Compute

/// What every layer of one forward or backward pass needs.
///
/// Shapes in this folder: B samples, T tokens, R = B T rows, D width, F hidden width of the MLP, O output channels.
/// Buffers with a row for each token or sample hold whole tiles of rows (`Tiling`).
struct Pass {
    let engine: Engine
    let weights: FloatBuffer
    /// B of this pass, at most the network's capacity.
    let samples: Int
    let tokens: Int

    var rows: Int { samples * tokens }
}

/// A linear layer and its place in the flat vectors.
struct LinearLayer: Sendable {
    let linear: Linear
    let ranges: LinearRanges

    init(_ ranges: LinearRanges, inputs: Int, outputs: Int, tiling: Tiling = .tokens) {
        linear = Linear(inputs: inputs, outputs: outputs, tiling: tiling)
        self.ranges = ranges
    }

    func forward(
        _ pass: Pass, _ input: FloatBuffer, into output: FloatBuffer, activated: FloatBuffer? = nil, rows: Int
    ) {
        linear.forward(
            pass.engine, input: input, weight: pass.weights[ranges.weight], bias: pass.weights[ranges.bias],
            output: output, activated: activated, rows: rows)
    }

    /// Adds to the parameters' gradients and, where asked, forms that of the input.
    func backward(
        _ pass: Pass, _ gradients: FloatBuffer, input: FloatBuffer, outputGradient: FloatBuffer,
        inputGradient: FloatBuffer?, rows: Int, accumulate: Bool = false
    ) {
        linear.backwardWeight(
            pass.engine, input: input, outputGradient: outputGradient, weightGradient: gradients[ranges.weight],
            biasGradient: gradients[ranges.bias], rows: rows)
        if let inputGradient {
            linear.backwardInput(
                pass.engine, outputGradient: outputGradient, weight: pass.weights[ranges.weight],
                inputGradient: inputGradient, rows: rows, accumulate: accumulate)
        }
    }
}
