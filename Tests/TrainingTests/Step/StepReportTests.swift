import Model
import Testing

@testable import Training

/// What ranks find out together in a step, and how it is told.
@Suite struct StepReportTests {
    private func outcome(
        mse: [Double] = [0.5, 0.25, 1], vb: [Double] = [0, 0.125, 0], nonFiniteVirtualRanks: [Int] = [],
        maxima: [Float] = [1, 0], gradientNorm: Double = 3
    ) -> StepVote.Outcome {
        StepVote.Outcome(
            mse: mse, vb: vb, nonFiniteVirtualRanks: nonFiniteVirtualRanks, maxima: maxima,
            gradientNorm: gradientNorm, computeSeconds: [0.5, 0.75])
    }

    @Test func anOutcomeIsFiniteWhereAllOfItIs() {
        #expect(outcome().isFinite && outcome().nonFinitePositions.isEmpty)
        let others = [
            outcome(mse: [0.5, .infinity, 1]), outcome(vb: [0, 0, .infinity]), outcome(nonFiniteVirtualRanks: [2]),
            outcome(maxima: [1, .infinity]), outcome(gradientNorm: .infinity), outcome(gradientNorm: .nan),
            outcome(mse: [.nan, 0, 0]),
        ]
        for (index, outcome) in others.enumerated() { #expect(!outcome.isFinite, "\(index)") }
    }

    @Test func positionsAreThoseWithEitherLossNotFinite() {
        let found = outcome(mse: [.infinity, 0, 1, 2], vb: [0, 0, .infinity, 0]).nonFinitePositions
        #expect(found == [0, 2])
        // A gradient that is not finite points at no sample.
        #expect(outcome(nonFiniteVirtualRanks: [0, 1]).nonFinitePositions.isEmpty)
    }

    @Test func lossesAreMeansOverTheGlobalBatch() {
        let report = StepReport(
            step: 7, outcome(), weights: [1, 1, 1], iterations: Iterations(withoutGradient: 3, withGradient: 2),
            learningRate: 0.01)
        #expect(report.mse == 1.75 / 3 && report.vb == 0.125 / 3 && report.loss == 1.875 / 3)
        #expect(report.step == 7 && report.gradientNorm == 3 && report.learningRate == 0.01)
        #expect(report.iterations == Iterations(withoutGradient: 3, withGradient: 2))
        #expect(report.computeSeconds == [0.5, 0.75])
        #expect(report.clipping == 1 && !report.isRedone && report.skipped == nil)
    }

    @Test func lossesCountWhatTheirSamplesDo() {
        let report = StepReport(
            step: 7, outcome(), weights: [2, 0.5, 0.25], iterations: Iterations(withoutGradient: 3, withGradient: 2),
            learningRate: 0.01)
        #expect(report.mse == 1.375 / 3 && report.vb == 0.0625 / 3 && report.loss == 1.4375 / 3)
    }

    private func sample(_ row: Int) -> StepReport.Skipped.Sample { .init(position: 30 + row, file: "a.h5", row: row) }

    @Test func aSkippedStepNamesSamplesAndRanks() {
        func text(_ ranks: [Int], _ samples: [StepReport.Skipped.Sample]) -> String {
            "\(StepReport.Skipped(inARow: 1, ranks: ranks, samples: samples))"
        }
        #expect(text([2], [sample(5)]) == "the loss of sample 5 of a.h5 is not finite on rank 2")
        #expect(
            text([0, 3], [sample(5), sample(6)])
                == "the loss of sample 5 of a.h5, sample 6 of a.h5 is not finite on rank 0, 3")
        // Four are enough to go and look.
        let four = (0..<4).map { "sample \($0) of a.h5" }.joined(separator: ", ")
        #expect(text([1], (0..<4).map { sample($0) }) == "the loss of \(four) is not finite on rank 1")
        #expect(text([1], (0..<9).map { sample($0) }) == "the loss of \(four) and 5 more is not finite on rank 1")
        #expect(text([4], []) == "the gradient on rank 4 is not finite, though all losses are")
        #expect(text([], []) == "the gradient is not finite, though all losses are")
    }

    @Test func aVotesVectorIsCounted() {
        // A wish to stop, a drop, weights that differ, how far a save is; two losses a position; a flag a virtual rank;
        // seconds and a flag a rank; maxima; blocks.
        let bytes = StepVote.bytes(positions: 256, virtualRanks: 8, ranks: 4, tensors: 50, blocks: 300)
        #expect(bytes == 8 * (4 + 512 + 8 + 2 * 4 + 50 + 300))
    }
}
