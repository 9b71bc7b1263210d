import Compute

/// A solve that is steered sample by sample (`SolveControl`).
///
/// The rows of samples that are at their end leave the stream: those behind them move up, with what else a solve reads of each
/// sample, and the next iteration is a smaller batch's.
extension FixedPointSolve {
    /// Takes the residual stream from the solve's input to its solution.
    ///
    /// - Parameters:
    ///   - atMost: iterations, at least one.
    ///   - initial: [B, T, D], starts the solve in place of its input.
    ///   - control: which has begun with these samples.
    ///   - smaller: a pass of so many samples.
    func forward(
        _ pass: Pass, _ chain: PanelChain, atMost: Int, initial: FloatBuffer?, _ control: SolveControl,
        smaller: (_ samples: Int) -> Pass
    ) {
        func stream(_ pass: Pass) -> FloatBuffer {
            FloatBuffer(workspace.stream.floats(), count: pass.cut.rows * workspace.stream.columns)
        }
        inject(pass, chain, initial: initial)
        chain.finish()
        control.start(stream(pass))
        var (own, ownChain) = (pass, chain)
        for _ in 0..<atMost {
            iterate(own, ownChain, passing)
            ownChain.finish()
            let staying = control.advance(stream(own))
            if staying.isEmpty { break }
            guard staying.count < own.samples else { continue }
            keep(staying)
            own = smaller(staying.count)
            ownChain = PanelChain(own)
        }
        control.finish(stream(pass))
    }

    /// Moves what the next iteration reads of some samples to the front.
    ///
    /// - Parameter places: of these samples, increasing.
    private func keep(_ places: [Int]) {
        let tokens = workspace.configuration.tokens
        for (new, old) in places.enumerated() where new != old {
            for matrix in [workspace.stream, constant] {
                matrix.floats(new * tokens).update(from: matrix.floats(old * tokens), count: tokens * matrix.columns)
            }
            block.modulation.move(old, to: new)
        }
    }
}
