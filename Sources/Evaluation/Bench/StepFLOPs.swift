import Model

/// How many multiplications and additions a step or a pass takes: those of its matrix products, two a multiply-add.
///
/// Counted from shapes, as what the mathematics needs with kept activations: neither what is formed again, nor rows that
/// fill a tile up, nor what is no product, are among them. So values of different implementations compare.
public struct StepFLOPs: Sendable {
    private let model: ModelConfiguration
    private let tokens: Double
    private let width: Double
    private let gradient: SolveGradient

    /// - Parameter gradient: what of a fixed-point solve is differentiated; the iterations are given apart.
    public init(_ model: ModelConfiguration, gradient: SolveGradient = .sjfb) {
        self.model = model
        self.gradient = gradient
        (tokens, width) = (Double(model.tokens), Double(model.width))
    }

    /// A training step over a batch.
    public func step(batch: Int, iterations: Iterations) -> Double {
        Double(batch) * (forward(iterations) + backward(iterations))
    }

    /// Sampling images; guidance puts each through the network twice a step.
    public func sampling(images: Int, isGuided: Bool, steps: Int, iterations: Int) -> Double {
        Double(images * (isGuided ? 2 : 1) * steps) * forward(Iterations(withoutGradient: iterations, withGradient: 0))
    }

    /// One sample's pass from image to output; a DiT ignores the iterations.
    public func forward(_ iterations: Iterations) -> Double {
        var count = patches + timestep1 + timestep2 + label + modulations + final
        count += blocks * (blockLayers + 2 * attentionProduct)
        guard model.fixedPoint else { return count }
        count += injection
        return count + Double(iterations.total) * (stateHalf + fc2 + blockLayers + 2 * attentionProduct)
    }

    /// One sample's pass back. A layer has two products, for the gradients of its weights and of its input, each as large
    /// as its forward product; attention has five: scores formed again, and the gradients of values, probabilities,
    /// queries and keys.
    public func backward(_ iterations: Iterations) -> Double {
        // What stands at the network's beginning needs no gradient of its input.
        var count = patches + timestep1 + label + 2 * (timestep2 + modulations + final)
        count += blocks * (2 * blockLayers + 5 * attentionProduct)
        guard model.fixedPoint else { return count }
        let solve = Double(iterations.withGradient)
        count += 2 * injection + solve * (2 * (stateHalf + fc2 + blockLayers) + 5 * attentionProduct)
        // The state that the first iteration with a gradient begins from is a constant.
        return solve > 0 && gradient != .unroll ? count - stateHalf : count
    }

    /// What `recompute` forms again for one sample's pass back.
    public func recomputed(_ iterations: Iterations) -> Double {
        let blocks = blocks * (blockLayers + 2 * attentionProduct)
        guard model.fixedPoint else { return blocks }
        return blocks + Double(iterations.withGradient) * (stateHalf + fc2 + blockLayers + 2 * attentionProduct)
    }

    // MARK: - One sample's products, forward

    private func linear(_ inputs: Double, _ outputs: Double, rows: Double = 1) -> Double { 2 * rows * inputs * outputs }

    private var patches: Double { linear(Double(model.patchValues), width, rows: tokens) }
    private var timestep1: Double { linear(256, width) }
    private var timestep2: Double { linear(width, width) }

    /// A table's rows are looked up, not multiplied.
    private var label: Double { model.conditioning == .continuous ? linear(Double(model.classes), width) : 0 }

    /// Blocks but for the fixed point's.
    private var blocks: Double { Double(model.fixedPoint ? model.preDepth + model.postDepth : model.depth) }

    /// What gives the blocks, and the final layer, their shifts, scales and gates: once a pass, the fixed point's too.
    private var modulations: Double {
        (blocks + (model.fixedPoint ? 1 : 0)) * linear(width, 6 * width) + linear(width, 2 * width)
    }

    /// Queries, keys and values, projection, and the MLP's two layers.
    private var blockLayers: Double {
        linear(width, 4 * width, rows: tokens) + 2 * linear(width, Double(model.mlpWidth), rows: tokens)
    }

    /// One of attention's products, over all heads: each token with each.
    private var attentionProduct: Double { linear(tokens, width, rows: tokens) }

    /// The projection before the fixed point, and fc1's half that sees it: once a solve.
    private var injection: Double { linear(width, width, rows: tokens) + linear(width, 2 * width, rows: tokens) }

    /// fc1's half that sees the state.
    private var stateHalf: Double { linear(width, 2 * width, rows: tokens) }
    private var fc2: Double { linear(2 * width, width, rows: tokens) }

    private var final: Double { linear(width, Double(model.outputPatchValues), rows: tokens) }
}
