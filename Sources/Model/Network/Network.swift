import Compute

/// A DiT, or an FPDM, with the memory for batches of up to `capacity` samples.
///
/// The weights belong to the caller, as one flat vector laid out by `table`. A network is used from one thread.
public final class Network {
    public let configuration: ModelConfiguration
    public let table: ParameterTable
    public let capacity: Int
    public let use: NetworkUse

    private let engine: Engine
    private let layers: NetworkLayers
    private let arena: Arena
    private let memory: NetworkMemory

    /// What a pass is given.
    public struct Input {
        /// [B, C, S, S]
        public var images: FloatBuffer
        /// [B], steps of the full schedule.
        public var timesteps: [Int]
        public var labels: Labels
        /// [B], samples whose label is dropped; none if nil.
        public var drop: [Bool]?

        public init(images: FloatBuffer, timesteps: [Int], labels: Labels, drop: [Bool]? = nil) {
            self.images = images
            self.timesteps = timesteps
            self.labels = labels
            self.drop = drop
        }
    }

    public init(_ configuration: ModelConfiguration, engine: Engine, capacity: Int, use: NetworkUse) {
        precondition(capacity > 0, "a batch holds at least one sample")
        precondition(configuration.problems.isEmpty, "an impossible network: \(configuration.problems)")
        self.configuration = configuration
        self.engine = engine
        self.capacity = capacity
        self.use = use
        let table = ParameterTable(configuration)
        let layers = NetworkLayers(table.ranges, configuration)
        self.table = table
        self.layers = layers
        (arena, memory) = Arena.build("activations") { arena in
            NetworkMemory(
                arena, layers, table.ranges, configuration, samples: capacity, use: use,
                threads: engine.pool.threadCount)
        }
        memory.patches.setPositions(table.positions.values)
    }

    /// Bytes of activations and scratch memory.
    public var bytes: Int { arena.bytes }

    /// Bytes that a network would take, without taking them.
    public static func bytes(
        _ configuration: ModelConfiguration, capacity: Int, use: NetworkUse, threads: Int
    ) -> Int {
        let table = ParameterTable(configuration)
        let floats = Arena.measure("activations") { arena in
            NetworkMemory(
                arena, NetworkLayers(table.ranges, configuration), table.ranges, configuration, samples: capacity,
                use: use, threads: threads)
        }
        return floats * MemoryLayout<Float>.stride
    }

    /// The newest output, [B, O, S, S]; valid until the next pass.
    public var output: FloatBuffer { memory.final.output }

    /// The state after the newest fixed-point solve, [B, T, D]: a start for the next solve. With no post blocks
    /// and in inference it is overwritten by what follows; `onSolution` sees it in time.
    public typealias SolutionHandler = (FloatBuffer) -> Void

    /// One pass from images to `output`.
    ///
    /// - Parameters:
    ///   - iterations: of an FPDM; a DiT ignores them. In inference, all run without a gradient.
    ///   - initial: [B, T, D], starts the solve in place of the embedded input.
    ///   - onSolution: called with the solution [B, T, D].
    public func forward(
        _ input: Input, weights: FloatBuffer, iterations: Iterations, initial: FloatBuffer? = nil,
        onSolution: SolutionHandler? = nil
    ) {
        let pass = makePass(input, weights)
        memory.stem.forward(pass, timesteps: input.timesteps, labels: input.labels, drop: input.drop)
        for modulator in memory.modulators + memory.postModulators { modulator.forward(pass) }
        memory.fixedPointModulator?.forward(pass)
        memory.finalModulator.forward(pass)

        memory.patches.forward(pass, images: input.images, output: memory.states[0])
        for (i, block) in layers.blocks.enumerated() {
            block.forward(
                pass, input: memory.states[i], modulation: memory.modulators[i].modulation,
                saving: memory.blockActivations[i], attentionScratch: memory.attentionScratch,
                output: memory.states[i + 1])
        }
        var state = memory.states[layers.blocks.count]
        if let layer = layers.fixedPoint {
            state = solve(layer, pass, from: state, iterations: iterations, initial: initial)
            onSolution?(state.slice(0, pass.rows * configuration.width))
        }
        for (i, block) in layers.postBlocks.enumerated() {
            block.forward(
                pass, input: i == 0 ? state : memory.postStates[i], modulation: memory.postModulators[i].modulation,
                saving: memory.postActivations[i], attentionScratch: memory.attentionScratch,
                output: memory.postStates[i + 1])
        }
        memory.final.forward(
            pass, input: finalState(solution: state), modulation: memory.finalModulator.modulation)
    }

    /// Gradient of the newest forward pass, which had the same arguments, added to `gradients` (a flat vector).
    ///
    /// - Parameter outputGradient: [B, O, S, S]
    public func backward(
        _ input: Input, outputGradient: FloatBuffer, weights: FloatBuffer, gradients: FloatBuffer,
        iterations: Iterations
    ) {
        guard let scratch = memory.scratch else { preconditionFailure("a network for inference has no backward pass") }
        let pass = makePass(input, weights)
        let gradient = memory.gradient
        let recompute = use == .training(activations: .recompute, iterations: gradientIterations)
        clearGradients()

        let solution =
            layers.fixedPoint == nil
            ? memory.states[layers.blocks.count] : memory.iterationStates[iterations.withGradient]
        memory.final.backward(
            pass, gradients, input: finalState(solution: solution), modulation: memory.finalModulator.modulation,
            outputGradient: outputGradient, scratch: scratch, gradient: gradient)

        func backward(
            _ block: Block, input: FloatBuffer, _ modulator: Modulator, _ activations: BlockActivations
        ) {
            if recompute {
                // The output goes to a buffer that the block's backward pass overwrites anyway.
                block.forward(
                    pass, input: input, modulation: modulator.modulation, saving: activations,
                    attentionScratch: memory.attentionScratch, output: scratch.narrow)
            }
            block.backward(
                pass, gradients, input: input, modulation: modulator.modulation, saved: activations,
                scratch: scratch, attentionScratch: memory.attentionScratch, gradient: gradient)
        }
        for (i, block) in layers.postBlocks.enumerated().reversed() {
            backward(
                block, input: i == 0 ? solution : memory.postStates[i], memory.postModulators[i],
                memory.postActivations[i])
        }
        if let layer = layers.fixedPoint, let modulator = memory.fixedPointModulator {
            backwardSolve(
                layer, pass, gradients, modulator: modulator, iterations: iterations, recompute: recompute,
                scratch: scratch)
        }
        for (i, block) in layers.blocks.enumerated().reversed() {
            backward(block, input: memory.states[i], memory.modulators[i], memory.blockActivations[i])
        }
        memory.patches.backward(pass, gradients, gradient: gradient)

        for modulator in memory.modulators + memory.postModulators { modulator.backward(pass, gradients) }
        memory.fixedPointModulator?.backward(pass, gradients)
        memory.finalModulator.backward(pass, gradients)
        memory.stem.backward(pass, gradients, labels: input.labels, drop: input.drop)
    }

    // MARK: - The fixed point

    private var gradientIterations: Int {
        if case .training(_, let iterations) = use { return iterations }
        return 0
    }

    /// z after all iterations; those with a gradient leave their states and activations.
    private func solve(
        _ layer: FixedPointLayer, _ pass: Pass, from input: FloatBuffer, iterations: Iterations,
        initial: FloatBuffer?
    ) -> FloatBuffer {
        guard let modulation = memory.fixedPointModulator?.modulation else { return input }
        layer.inject(pass, input: input, injection: memory.injection, constant: memory.constant)
        var state = memory.iterationStates[0]
        let floats = pass.rows * configuration.width
        let start = initial ?? input
        if start.base != state.base { state.copy(from: start.slice(0, floats)) }

        func iterate(_ activations: IterationActivations, into output: FloatBuffer) {
            layer.forward(
                pass, state: state, constant: memory.constant, modulation: modulation, saving: activations,
                attentionScratch: memory.attentionScratch, output: output)
        }
        let free = use.isTraining ? iterations.withoutGradient : iterations.total
        for _ in 0..<free { iterate(memory.iterationActivations[0], into: state) }
        guard use.isTraining else { return state }
        precondition(iterations.withGradient <= gradientIterations, "more iterations with a gradient than planned")
        for k in 0..<iterations.withGradient {
            iterate(memory.iterationActivations[k], into: memory.iterationStates[k + 1])
            state = memory.iterationStates[k + 1]
        }
        return state
    }

    /// Goes back through the iterations with a gradient, newest first, then through the injection.
    private func backwardSolve(
        _ layer: FixedPointLayer, _ pass: Pass, _ gradients: FloatBuffer, modulator: Modulator,
        iterations: Iterations, recompute: Bool, scratch: BlockScratch
    ) {
        memory.constantGradient.fill(0)
        for k in (0..<iterations.withGradient).reversed() {
            let activations = memory.iterationActivations[k]
            if recompute {
                layer.forward(
                    pass, state: memory.iterationStates[k], constant: memory.constant,
                    modulation: modulator.modulation, saving: activations, attentionScratch: memory.attentionScratch,
                    output: scratch.narrow)
            }
            layer.backward(
                pass, gradients, state: memory.iterationStates[k], modulation: modulator.modulation,
                saved: activations, scratch: scratch, attentionScratch: memory.attentionScratch,
                constantGradient: memory.constantGradient, gradient: memory.gradient, first: k == 0)
        }
        layer.backwardInjection(
            pass, gradients, input: memory.states[layers.blocks.count], injection: memory.injection,
            constantGradient: memory.constantGradient, scratch: scratch, gradient: memory.gradient)
    }

    // MARK: - Small things

    private func finalState(solution: FloatBuffer) -> FloatBuffer {
        layers.postBlocks.isEmpty ? solution : memory.postStates[layers.postBlocks.count]
    }

    private func clearGradients() {
        memory.stem.clearGradients()
        for modulator in memory.modulators + memory.postModulators { modulator.clearGradient() }
        memory.fixedPointModulator?.clearGradient()
        memory.finalModulator.clearGradient()
    }

    private func makePass(_ input: Input, _ weights: FloatBuffer) -> Pass {
        let samples = input.timesteps.count
        precondition(samples >= 1 && samples <= capacity, "a batch of \(samples) for a network of \(capacity)")
        precondition(input.images.count >= samples * configuration.imageValues, "too few image values")
        precondition(weights.count == table.flatCount, "weights of another network")
        return Pass(engine: engine, weights: weights, samples: samples, tokens: configuration.tokens)
    }
}
