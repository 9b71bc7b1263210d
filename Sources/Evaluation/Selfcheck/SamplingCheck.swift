import Compute
import Diffusion
import Model
import Sampling

extension ReferenceCase {
    /// Kind `sampling`: every image on the way from noise.
    func checkSampling(_ engine: Engine) throws -> [Comparison] {
        let model = try model()
        let diffusion = try diffusion()
        let named: SamplerKind = try choice("sampler")
        let sampler = try Sampler(
            diffusion, learnSigma: model.learnSigma, channels: model.channels,
            pixels: model.imageSize * model.imageSize,
            kind: diffusion.target == .flow && !named.followsVelocity ? .flow : named,
            respacing: try text("respacing"), eta: try number("eta"))
        var options = ImageSampler.Options(iterations: try file.attribute("iterations"))
        options.guidance = try number("guidance")
        options.guidedChannels = try file.attribute("guided_channels", as: Int.self)
        if try file.hasAttribute("guidance_interval") {
            let ends: [Int] = try file.attribute("guidance_interval")
            guard ends.count == 2 else { throw malformed("attribute guidance_interval: \(ends) is not its two ends") }
            options.guidanceInterval = GuidanceInterval(ends[0], ends[1])
        }
        if try file.hasAttribute("tolerance") { options.tolerance = try number("tolerance") }
        options.reuseSolution = try file.attribute("reuse_solution")
        guard !model.fixedPoint || options.iterations.count == sampler.count else {
            throw malformed("attribute iterations has \(options.iterations.count) counts for \(sampler.count) steps")
        }
        guard options.iterations.allSatisfy({ $0 >= 0 }) else {
            throw malformed("attribute iterations: none may be negative")
        }
        if let guided = options.guidedChannels, guided < 0 || guided > model.outputChannels {
            throw malformed("attribute guided_channels: \(guided) is outside 0...\(model.outputChannels)")
        }

        let shape = try file.dataset("inputs/x").shape
        let count = shape.first ?? 0
        guard count > 0 else { throw malformed("inputs/x holds no images") }
        let x = buffer(try floats("inputs/x", count: count * model.imageValues))
        let noise = try floats("inputs/noise", count: sampler.count * count * model.imageValues)
        let images = ImageSampler(model, sampler: sampler, options: options, engine: engine, capacity: count)
        let table = ParameterTable(model)
        let weights = buffer(table.flatCount)
        try readWeights("weights", table, into: weights)

        images.load(weights)
        var trajectory = x.array
        let made = images.sample(
            x, count: count, labels: try labels("inputs/y", model, count: count),
            unconditional: referenceNull(model, count: count)
        ) { index, image, output in
            let start = (index * count + image) * model.imageValues
            for i in 0..<model.imageValues { output[i] = noise[start + i] }
        } onStep: { _, x in
            trajectory += x.array.prefix(count * model.imageValues)
        }
        var found = [
            Comparison.of(
                "outputs/trajectory", trajectory, try floats("outputs/trajectory"), Tolerance(engine.precision).output)
        ]
        if file.exists("outputs/iterations") {
            // Whole numbers, which are the same or not.
            // Rounding may move a residual across the tolerance, and an image's count by one here and there.
            let allowed = engine.precision == .float32 ? 0 : 0.05
            found.append(.of("outputs/iterations", made.map { Float($0) }, try floats("outputs/iterations"), allowed))
        }
        return found
    }

    /// The reference fills the unguided half's labels with the number of classes; for vectors, too.
    private func referenceNull(_ model: ModelConfiguration, count: Int) -> Labels {
        switch model.conditioning {
        case .classes: .classes([Int](repeating: model.classes, count: count))
        case .continuous: .continuous([Float](repeating: Float(model.classes), count: count * model.classes))
        case .none: .none
        }
    }
}
