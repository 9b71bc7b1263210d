import Compute
import Diffusion
import Jobs
import Model
import Training

/// Checks of one forward and backward pass, and of training.
extension ReferenceCase {
    /// Kind `step`: output, losses and gradients of one batch.
    func checkStep(_ engine: Engine, activations: ActivationMode) throws -> [Comparison] {
        let model = try model()
        let counts = try file.attribute("iterations", as: [Int].self)
        guard counts.count == 2, counts.allSatisfy({ $0 >= 0 }) else {
            throw malformed("attribute iterations must be (n, m), both 0 or more")
        }
        let backward: SolveGradient = try choice("backward", default: "sjfb")
        let iterations = backward.iterations(Iterations(withoutGradient: counts[0], withGradient: counts[1]))
        let timesteps = try integers("inputs/t")
        guard !timesteps.isEmpty else { throw malformed("inputs/t holds no samples") }
        let batch = try microbatch(model, step: 0, samples: timesteps.count)
        let diffusion = try diffusion()
        let loss = try LossGradient(
            model, diffusion, engine: engine, capacity: timesteps.count, activations: activations,
            iterations: max(iterations.withGradient, 1), backward: backward)
        let table = loss.network.table
        let weights = buffer(table.flatCount)
        let gradients = buffer(table.flatCount)
        try readWeights("weights", table, into: weights)
        loss.load(weights)
        let tolerance = Tolerance(engine.precision)
        let losses = loss.losses(
            batch, iterations: iterations, scale: 1 / Double(timesteps.count), gradients: gradients)

        var results = [
            Comparison.of(
                "outputs/model_output", loss.network.output.array, try floats("outputs/model_output"),
                tolerance.output)
        ]
        let values: [(String, [Double])] = [
            ("loss", losses.map(\.loss)), ("mse", losses.map(\.mse)), ("vb", losses.map(\.vb)),
        ]
        for (name, value) in values {
            if name == "vb", !model.learnSigma, !diffusion.loss.isBound { continue }
            if name == "mse", diffusion.loss.isBound { continue }
            results.append(
                .of("outputs/\(name)", value.map { Float($0) }, try floats("outputs/\(name)"), tolerance.output))
        }
        var (own, wanted): ([Float], [Float]) = ([], [])
        for parameter in table.parameters {
            let name = "gradients/\(parameter.name)"
            // The reference leaves out what no gradient reaches; what one does reach must not go unchecked.
            if !file.exists(name), gradients[parameter.range].readable.allSatisfy({ $0 == 0 }) { continue }
            let expected = try floats(name, count: parameter.range.count)
            results += Comparison.ofTensor("gradients", parameter, gradients, expected, tolerance.gradient)
            own += gradients[parameter.range].array
            wanted += expected
        }
        results.append(.of("gradients", own, wanted, tolerance.gradients))
        return results
    }

    /// Kind `training`: losses and gradient norms by step, and the weights and their average at the end.
    func checkTraining(_ engine: Engine, activations: ActivationMode) throws -> [Comparison] {
        let model = try model()
        let shape = try file.dataset("inputs/t").shape
        guard shape.count == 2, !shape.contains(0) else { throw malformed("inputs/t must be [steps, batch]") }
        let (steps, samples) = (shape[0], shape[1])
        let counts = try integers("inputs/iterations", count: 2 * steps)
        guard counts.allSatisfy({ $0 >= 0 }) else { throw malformed("inputs/iterations: none may be negative") }
        let loss = try LossGradient(
            model, try diffusion(), engine: engine, capacity: samples, activations: activations,
            iterations: max(stride(from: 1, to: counts.count, by: 2).map { counts[$0] }.max() ?? 1, 1))
        let table = loss.network.table
        let state = TrainingState(table)
        try readWeights("weights", table, into: state.weights)
        state.ema.copy(from: state.weights)
        let optimizer = try optimizer(steps: steps)
        // Each sample is a virtual rank, so that gradients pass through the sums that training uses.
        let sum = GradientSum(engine, table, virtualRanks: samples)
        var grids = GradientGrids(tensors: table.parameters.count, virtualRanks: samples)
        var partial = [Double](repeating: 0, count: Reductions.blocks(table.flatCount))

        var losses: [Float] = []
        var norms: [Float] = []
        for step in 0..<steps {
            let batch = try microbatch(model, step: step, samples: samples)
            let iterations = Iterations(withoutGradient: counts[2 * step], withGradient: counts[2 * step + 1])
            var values: [Objective.Loss] = []
            func add() {
                sum.begin(grids)
                loss.load(state.weights)
                values = (0..<samples).flatMap { sample in
                    let values = loss.losses(
                        batch.sample(sample, of: model), iterations: iterations,
                        scale: 1 / Double(samples), gradients: sum.gradient)
                    _ = sum.add()
                    return values
                }
            }
            add()
            if !grids.suit(sum.maxima) {
                grids.follow(sum.maxima)
                add()
            }
            grids.follow(sum.maxima)
            let gradients = sum.rounded(0..<table.flatCount)
            losses.append(Float(values.reduce(0) { $0 + $1.loss } / Double(samples)))
            partial.withUnsafeMutableBufferPointer { Reductions.squares(engine, gradients, into: $0) }
            norms.append(Float(partial.reduce(0, +).squareRoot()))
            optimizer.apply(engine, gradient: gradients, to: state)
        }
        let tolerance = Tolerance(engine.precision)
        var results = [
            Comparison.of("outputs/loss", losses, try floats("outputs/loss"), tolerance.output),
            Comparison.of("outputs/gradient_norm", norms, try floats("outputs/gradient_norm"), tolerance.gradient),
        ]
        for (group, flat) in [("final_weights", state.weights), ("final_ema", state.ema)] {
            for parameter in table.parameters {
                let expected = try floats("\(group)/\(parameter.name)", count: parameter.range.count)
                results += Comparison.ofTensor(group, parameter, flat, expected, tolerance.trained)
            }
        }
        return results
    }

    /// The batch of one step from `inputs`, whose tensors have a leading step axis in a training case.
    private func microbatch(
        _ model: ModelConfiguration, step: Int, samples: Int
    ) throws -> LossGradient.Microbatch {
        let count = samples * model.imageValues
        let steps = DiffusionConfiguration().steps
        func part<Element>(_ values: [Element], _ length: Int, _ name: String) throws -> [Element] {
            guard values.count >= (step + 1) * length else { throw malformed("inputs/\(name) is too short") }
            return Array(values[step * length..<(step + 1) * length])
        }
        let timesteps = try part(try integers("inputs/t"), samples, "t")
        if let wrong = timesteps.first(where: { $0 < 0 || $0 >= steps }) {
            throw malformed("inputs/t: step \(wrong) is outside 0...\(steps - 1)")
        }
        return LossGradient.Microbatch(
            images: buffer(try part(try floats("inputs/x0"), count, "x0")),
            noise: buffer(try part(try floats("inputs/noise"), count, "noise")),
            timesteps: timesteps,
            labels: try labels("inputs/y", model, count: samples, skipping: step * samples),
            drop: try part(try integers("inputs/drop"), samples, "drop").map { $0 != 0 })
    }

    private func optimizer(steps: Int) throws -> Optimizer {
        var adam = JobConfiguration.Optimizer()
        adam.learningRate = try number("learning_rate")
        adam.beta1 = try number("beta1")
        adam.beta2 = try number("beta2")
        adam.epsilon = try number("epsilon")
        adam.weightDecay = try number("weight_decay")
        var ema = JobConfiguration.EMA()
        ema.decay = try number("ema_decay")
        return Optimizer(adam, ema, steps: steps)
    }
}

extension LossGradient.Microbatch {
    /// One of its samples, in the same memory.
    fileprivate func sample(_ index: Int, of model: ModelConfiguration) -> Self {
        let values = index * model.imageValues
        let labels: Labels =
            switch self.labels {
            case .classes(let all): .classes([all[index]])
            case .continuous(let all): .continuous(Array(all[index * model.classes..<(index + 1) * model.classes]))
            case .none: .none
            }
        return Self(
            images: images.slice(values, model.imageValues), noise: noise.slice(values, model.imageValues),
            timesteps: [timesteps[index]], labels: labels, drop: drop.map { [$0[index]] })
    }
}
