import Compute

/// A DiT, or an FPDM, with the memory for batches of up to `capacity` samples.
///
/// The weights belong to the caller, as one flat vector laid out by `table`; `load` takes them over into the layout that
/// products read. A network is used from one thread.
public final class Network {
    public let configuration: ModelConfiguration
    public let table: ParameterTable
    public let capacity: Int
    public let use: NetworkUse

    private let engine: Engine
    private let arena: Arena
    private let stacks: Stacks
    private var weights: FloatBuffer?
    /// Numbers of samples that products were prepared for.
    private var prepared: [Int: Prepared] = [:]

    /// How a batch is cut, for its groups and for a forward pass.
    private struct Prepared {
        let cut: BatchCut
        let panels: [BatchCut.Panel]
    }

    /// The network's parts, in the order of a forward pass.
    private struct Stacks {
        let workspace: Workspace
        let stem: ConditioningStem
        let modulators: [Modulator]
        let patches: PatchEmbedding
        let pre: BlockStack
        let solve: FixedPointSolve?
        let post: BlockStack
        let final: FinalLayer
        let backward: (work: BackwardWorkspace, solve: SolveScratch?)?

        init(
            _ arena: Arena, _ ranges: NetworkRanges, _ c: ModelConfiguration, _ engine: Engine, capacity: Int,
            use: NetworkUse
        ) {
            let w = Workspace(engine, arena, c, capacity: capacity, use: use)
            let stem = ConditioningStem(
                arena, ranges, c, samples: capacity, group: use.isTraining ? w.group : 0)
            func modulator(_ ranges: LinearRanges, parts: Int, _ source: ConditioningStem.Source) -> Modulator {
                Modulator(
                    layer: ConditioningLayer(ranges, inputs: c.width, outputs: parts * c.width),
                    modulation: w.modulation(parts: parts), source: source)
            }
            let pre = ranges.blocks.map { modulator($0.modulation, parts: 6, stem.outer) }
            let middle = ranges.fixedPoint.map { modulator($0.block.modulation, parts: 6, stem.full) }
            let post = ranges.postBlocks.map { modulator($0.modulation, parts: 6, stem.outer) }
            let last = modulator(ranges.finalModulation, parts: 2, stem.outer)
            workspace = w
            self.stem = stem
            modulators = pre + (middle.map { [$0] } ?? []) + post + [last]
            patches = PatchEmbedding(w, ranges.patches)
            self.pre = BlockStack(w, ranges.blocks, modulations: pre.map(\.modulation))
            if let ranges = ranges.fixedPoint, let middle {
                solve = FixedPointSolve(w, ranges, middle.modulation)
            } else {
                solve = nil
            }
            self.post = BlockStack(w, ranges.postBlocks, modulations: post.map(\.modulation))
            final = FinalLayer(w, ranges.final, last.modulation)
            let blocks = self.pre.blocks + (solve.map { [$0.block] } ?? []) + self.post.blocks
            if use.isTraining, let block = blocks.first {
                let work = BackwardWorkspace(w, block)
                backward = (work, solve.map { SolveScratch(w, $0, work) })
            } else {
                backward = nil
            }
        }

        var layers: [DenseLayer] { pre.layers + post.layers + others }
        /// Layers that have a row for each sample.
        var conditioning: [ConditioningLayer] { stem.layers + modulators.map(\.layer) }

        /// Those whose weights are packed once for all passes to come.
        var packedAhead: [DenseLayer] { workspace.packsInTurn ? others : layers }

        private var others: [DenseLayer] { [patches.layer] + (solve?.layers ?? []) + [final.layer] }
    }

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
        self.table = table
        (arena, stacks) = Arena.build("activations") {
            Stacks($0, table.ranges, configuration, engine, capacity: capacity, use: use)
        }
        stacks.patches.setPositions(table.positions.values)
        _ = prepare(capacity)
    }

    /// Bytes of activations, packed weights and scratch memory; what products take for themselves (`productBytes`) comes
    /// on top.
    public var bytes: Int { arena.bytes }

    /// Bytes that a network would take, without taking them.
    public static func bytes(
        _ configuration: ModelConfiguration, capacity: Int, use: NetworkUse, engine: Engine
    ) -> Int {
        let table = ParameterTable(configuration)
        let floats = Arena.measure("activations") {
            Stacks($0, table.ranges, configuration, engine, capacity: capacity, use: use)
        }
        return floats * MemoryLayout<Float>.stride
    }

    /// Bytes that products take for themselves while they run, for all threads; a library may take more.
    public static func productBytes(
        _ configuration: ModelConfiguration, capacity: Int, use: NetworkUse, engine: Engine
    ) -> Int {
        let (own, ranges) = (engine.withoutProducts, ParameterTable(configuration).ranges)
        // Those of a group's rows are the largest.
        let capacity = min(capacity, configuration.cut.groupSamples)
        _ = Arena.measure("activations") {
            let stacks = Stacks($0, ranges, configuration, own, capacity: capacity, use: use)
            _ = prepare(stacks, capacity)
            return stacks
        }
        return own.products.bytes
    }

    /// Takes over the weights as they are now: to be called before the first pass, and whenever they have changed.
    ///
    /// - Parameter weights: which must stay where they are, and as they are, until the next time.
    public func load(_ weights: FloatBuffer) {
        precondition(weights.count == table.flatCount, "weights of another network")
        self.weights = weights
        DenseLayer.pack(stacks.packedAhead, weights, backward: true, engine.pool)
        for layer in stacks.layers { layer.loadBias(weights) }
    }

    /// The newest output, [B, O, S, S]; valid until the next pass.
    public var output: FloatBuffer { stacks.final.output }

    /// The state after the newest fixed-point solve, [B, T, D]: a start for the next solve. What follows the solve
    /// overwrites it; `onSolution` sees it in time.
    public typealias SolutionHandler = (FloatBuffer) -> Void

    /// One pass from images to `output`.
    ///
    /// - Parameters:
    ///   - iterations: of an FPDM; a DiT ignores them. In inference, all run without a gradient.
    ///   - initial: [B, T, D], starts the solve in place of the embedded input.
    ///   - onSolution: called with the solution [B, T, D].
    ///   - onState: called with z before each iteration and after the last, [B, T, D], and the iterations done. It costs
    ///     time, and changes no bits.
    ///   - control: steers the solve of each sample, for inference alone; nobody else hears of its states.
    public func forward(
        _ input: Input, iterations: Iterations, initial: FloatBuffer? = nil, onSolution: SolutionHandler? = nil,
        onState: ((_ iterations: Int, _ z: FloatBuffer) -> Void)? = nil, control: SolveControl? = nil
    ) {
        precondition(!use.isTraining || control == nil, "a solve that trains makes all its iterations")
        precondition(control == nil || onState == nil, "a solve that is steered is not watched")
        precondition(
            !use.isTraining || iterations.withGradient <= use.gradientIterations || stacks.solve == nil,
            "more iterations with a gradient than planned")
        let pass = makePass(input)
        stacks.stem.forward(pass, timesteps: input.timesteps, labels: input.labels, drop: input.drop)
        for modulator in stacks.modulators { modulator.forward(pass) }

        let chain = PanelChain(pass)
        stacks.patches.forward(pass, chain, images: input.images)
        stacks.pre.forward(pass, chain)
        if let solve = stacks.solve {
            let count = pass.cut.rows * configuration.width
            if let control {
                solve.forward(pass, chain, atMost: iterations.total, initial: initial, control) { self.pass(of: $0) }
            } else {
                solve.forward(
                    pass, chain, iterations, initial: initial,
                    onState: onState.map { onState in { onState($0, FloatBuffer($1.floats(), count: count)) } })
            }
            if let onSolution {
                chain.finish()
                let stream = stacks.workspace.stream
                onSolution(FloatBuffer(stream.floats(), count: count))
            }
        }
        stacks.post.forward(pass, chain)
        stacks.final.forward(pass, chain)
        chain.finish()
    }

    /// Gradient of the newest forward pass, which had the same arguments, added to `gradients` (a flat vector).
    ///
    /// It goes from the first group of samples to the last (`BatchCut`), each through the whole network: gradients are
    /// added up in the same order however many groups share a pass.
    ///
    /// - Parameter outputGradient: [B, O, S, S]
    public func backward(
        _ input: Input, outputGradient: FloatBuffer, gradients: FloatBuffer, iterations: Iterations
    ) {
        guard let backward = stacks.backward else {
            preconditionFailure("a network for inference has no backward pass")
        }
        precondition(
            !use.gradient.reachesStart || iterations.withoutGradient == 0,
            "an unrolled solve with a constant state in it")
        let pass = makePass(input)
        for group in pass.cut.groups {
            let g = GroupPass(
                pass: pass, window: Window(pass.cut, group), attention: stacks.workspace.attention,
                work: backward.work, gradients: gradients)
            for layer in stacks.layers { layer.beginGroup() }
            for modulator in stacks.modulators { modulator.modulation.beginGroup() }
            stacks.stem.beginGroup()

            stacks.final.backward(g, outputGradient: outputGradient)
            stacks.post.backward(g)
            if let solve = stacks.solve, let scratch = backward.solve {
                solve.backward(g, scratch, iterations, by: use.gradient)
            }
            stacks.pre.backward(g)
            stacks.patches.backward(g, images: input.images)

            for layer in stacks.layers { layer.endGroup(gradients, panels: group.panels.count) }
            for modulator in stacks.modulators { modulator.backward(pass, gradients, group.samples) }
            stacks.stem.backward(pass, gradients, group.samples, labels: input.labels, drop: input.drop)
        }
    }

    /// How a batch of so many samples is cut, with its products prepared.
    private func prepare(_ samples: Int) -> Prepared {
        if let known = prepared[samples] { return known }
        let prepared = Self.prepare(stacks, samples)
        self.prepared[samples] = prepared
        return prepared
    }

    private static func prepare(_ stacks: Stacks, _ samples: Int) -> Prepared {
        let workspace = stacks.workspace
        let (configuration, engine) = (workspace.configuration, workspace.engine)
        let cut = BatchCut(configuration.cut, samples: samples)
        let panels =
            engine.takesFewRows
            ? BatchCut.forwardPanels(configuration.cut, samples: samples, threads: engine.pool.threadCount) : cut.panels
        for layer in stacks.layers { layer.prepare(engine, cut, forward: panels) }
        for layer in stacks.conditioning { layer.linear.prepare(engine, group: cut.groupSamples) }
        workspace.attention.prepare(samples: samples)
        if workspace.use.isTraining {
            for group in cut.groups { workspace.attention.prepare(samples: group.samples.count) }
        }
        return Prepared(cut: cut, panels: panels)
    }

    private func makePass(_ input: Input) -> Pass {
        let samples = input.timesteps.count
        precondition(samples >= 1 && samples <= capacity, "a batch of \(samples) for a network of \(capacity)")
        precondition(input.images.count >= samples * configuration.imageValues, "too few image values")
        return pass(of: samples)
    }

    private func pass(of samples: Int) -> Pass {
        guard let weights else { preconditionFailure("a network without weights") }
        let prepared = prepare(samples)
        return Pass(
            engine: engine, cut: prepared.cut, panels: prepared.panels, weights: weights,
            scratch: stacks.workspace.scratch)
    }
}
