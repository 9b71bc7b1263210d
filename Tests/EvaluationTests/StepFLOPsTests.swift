import Evaluation
import Model
import TestSupport
import Testing

/// Small networks, counted by hand: 4 tokens, width 8, MLP 24, patches of 8 values, 16 with the variances.
@Suite("Operations of a step")
struct StepFLOPsTests {
    // Multiply-adds of one sample.
    private let patches = 4 * 8 * 8
    private let timestep1 = 256 * 8
    private let timestep2 = 8 * 8
    private let final = 4 * 8 * 16
    private let modulation = 8 * 48
    private let finalModulation = 8 * 16
    /// qkv, projection, fc1, fc2.
    private let block = 4 * (8 * 24 + 8 * 8 + 8 * 24 + 24 * 8)
    private let attention = 4 * 4 * 8

    private let dit = StepFLOPs(tinyModel())
    private let fpdm = StepFLOPs(tinyModel { $0.fixedPoint = true })
    private let none = Iterations(withoutGradient: 0, withGradient: 0)

    @Test("of a DiT with two blocks")
    func ofDiT() {
        let forward =
            patches + timestep1 + timestep2 + 2 * (modulation + block + 2 * attention) + finalModulation + final
        let backward =
            patches + timestep1 + 2 * timestep2 + 2 * (2 * modulation + 2 * block + 5 * attention)
            + 2 * (finalModulation + final)
        #expect(forward == 9_408 && backward == 16_768)
        #expect(dit.forward(none) == Double(2 * forward))
        #expect(dit.backward(none) == Double(2 * backward))
        // Iterations are nothing to it.
        let some = Iterations(withoutGradient: 5, withGradient: 6)
        #expect(dit.step(batch: 3, iterations: some) == Double(3 * 2 * (forward + backward)))
    }

    @Test("of an FPDM with one block before and after")
    func ofFPDM() {
        // fc1's halves and fc2 are 8 x 16 each.
        let half = 4 * 8 * 16
        let injection = 4 * 8 * 8 + half
        let iteration = half + half + block + 2 * attention
        let around =
            patches + timestep1 + timestep2 + 2 * (block + 2 * attention) + 3 * modulation + finalModulation + final
        let forward = around + injection + 5 * iteration
        #expect(fpdm.forward(Iterations(withoutGradient: 2, withGradient: 3)) == Double(2 * forward))
        #expect(fpdm.forward(Iterations(withoutGradient: 5, withGradient: 0)) == Double(2 * forward))

        // Of three iterations the first needs no gradient of its state.
        let back = 2 * (half + half + block) + 5 * attention
        let backward =
            patches + timestep1 + 2 * (timestep2 + 3 * modulation + finalModulation + final)
            + 2 * (2 * block + 5 * attention) + 2 * injection + 3 * back - half
        #expect(fpdm.backward(Iterations(withoutGradient: 2, withGradient: 3)) == Double(2 * backward))
        #expect(fpdm.backward(Iterations(withoutGradient: 9, withGradient: 3)) == Double(2 * backward))
        // Blocks and the three iterations; nothing of what stands around them.
        let again = 2 * (block + 2 * attention) + 3 * iteration
        #expect(fpdm.recomputed(Iterations(withoutGradient: 9, withGradient: 3)) == Double(2 * again))
        #expect(dit.recomputed(none) == Double(4 * (block + 2 * attention)))
    }

    @Test("of vectors as labels, which are multiplied, and of sampling")
    func ofLabelsAndSampling() {
        let continuous = StepFLOPs(tinyModel { $0.conditioning = .continuous })
        #expect(continuous.forward(none) - dit.forward(none) == 2 * 3 * 8)
        #expect(continuous.backward(none) - dit.backward(none) == 2 * 3 * 8)
        let pass = fpdm.forward(Iterations(withoutGradient: 4, withGradient: 0))
        #expect(fpdm.sampling(images: 5, isGuided: false, steps: 10, iterations: 4) == 50 * pass)
        #expect(fpdm.sampling(images: 5, isGuided: true, steps: 10, iterations: 4) == 100 * pass)
    }

    @Test("of DiT-S/2, as its authors count them (arXiv 2212.09748, table 4)")
    func ofDiTS2() {
        // They call a multiply-add one, and give 6.06.
        #expect(abs(StepFLOPs(ModelConfiguration()).forward(none) / 2e9 - 6.06) < 0.01)
    }
}
