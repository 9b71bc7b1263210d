import Compute
import Model

/// The way back from images to the noise that they are drawn from, without which an image that was not drawn cannot be drawn
/// again (arXiv 2010.02502, section 4.3).
extension ImageSampler {
    /// Why there is no way back; nil where there is one.
    public var inversionProblem: String? {
        if let problem = sampler.inversionProblem { return problem }
        guard model.fixedPoint else { return nil }
        if options.reuseSolution {
            return "with sampling.reuseSolution a step depends on all those before it; set it to false"
        }
        if options.tolerance > 0 {
            return "with sampling.tolerance a step's iterations depend on those before it; set it to 0"
        }
        return nil
    }

    /// Turns images into noise from which `sample` makes them again.
    ///
    /// From the last step to the first, each is solved for the x that it begins from: the network is asked at the x found so
    /// far, beginning with what the step leads to, and the x follows for which the step with that output leads there
    /// (`Sampler.invert`). Where steps are short that comes to rest; one round alone is DDIM's own approximation.
    ///
    /// - Parameters:
    ///   - x: [B, C, S, S], the images; becomes the noise. B is at most `capacity`.
    ///   - labels, unconditional: as for `sample`.
    ///   - rounds: evaluations of the network in each step, at least one.
    ///   - onStep: called after each step with the number of steps done.
    /// - Returns: of each image, the largest change of x in the last round of any step, relative to x in the L2 norm: what is
    ///   left open. 0 after one round, which says nothing of it.
    /// - Precondition: there is no `inversionProblem`.
    public func invert(
        _ x: FloatBuffer, count: Int, labels: Labels, unconditional: Labels, rounds: Int,
        onStep: (_ done: Int) -> Void = { _ in }
    ) -> [Double] {
        precondition(count >= 1 && count <= capacity && rounds >= 1, "\(count) images, \(rounds) rounds")
        precondition(inversionProblem == nil, inversionProblem ?? "")
        network.begin(count: count, labels: labels, unconditional: unconditional)
        let values = model.imageValues
        // No noise is added, so that its memory is free.
        let wanted = noise
        var open = [Double](repeating: 0, count: count)
        for index in 0..<sampler.count {
            let iterations = model.fixedPoint ? options.iterations[sampler.count - 1 - index] : 0
            wanted.copy(from: x.slice(0, count * values))
            for round in 0..<rounds {
                network.evaluate(x, at: sampler.originalTimestep(at: index), iterations: iterations)
                let isLast = round > 0 && round == rounds - 1
                open.withUnsafeMutableBufferPointer { open in
                    let open = UnsafeMutableBufferPointer(rebasing: open[...])
                    engine.pool.parallelFor(count) { [network, sampler] image, _ in
                        let own = x.slice(image * values, values)
                        let before = isLast ? own.array : []
                        sampler.invert(
                            index: index, next: wanted.base + image * values, output: network.output(image),
                            x: own.base)
                        if isLast { open[image] = max(open[image], Self.change(before, own.base)) }
                    }
                }
            }
            onStep(index + 1)
        }
        return open
    }

    /// Relative to what was before.
    private static func change(_ before: [Float], _ after: UnsafePointer<Float>) -> Double {
        before.withUnsafeBufferPointer { before in
            before.baseAddress.map { ResidualMeter.residual($0, after, count: before.count) } ?? 0
        }
    }
}
