import Jobs
import TestSupport
import Testing

@Suite struct JobEpochsTests {
    @Test(
        "epochs are as many steps as pass over the samples so often",
        arguments: [(1.0, 256, 1), (1, 257, 2), (2.5, 1000, 10), (80, 1_281_167, 400_365), (0.001, 10, 1)])
    func count(_ epochs: Double, _ samples: Int, _ steps: Int) throws {
        let given = try job("training.epochs=\(epochs)")
        let counted = try given.countingSteps(samples: samples)
        #expect(counted.training.steps == steps && counted.training.epochs == nil)
        var same = given
        (same.training.steps, same.training.epochs) = (steps, nil)
        #expect(counted == same)
        let note = try #require(given.countNote(samples: samples, counted: counted))
        #expect(note.contains("\(samples) samples") && note.hasSuffix("training.steps: \(steps)"))
        #expect(
            try counted.countingSteps(samples: 7) == counted && counted.countNote(samples: 7, counted: counted) == nil)
    }

    private let yaml = "run: {directory: x}\ndata: {path: y}\n"

    @Test func aRunHasOneLength() throws {
        let both = yaml + "training:\n  steps: 10\n  epochs: 2\n"
        #expect(
            refusal(of: both).contains { $0.hasPrefix("job.yaml:5: training.epochs: training.steps is given, too") })
        #expect(
            refusal(of: yaml, ["training.steps=10", "training.epochs=2"]).contains {
                $0.contains("leave one of them out")
            })
        #expect(refusal(of: yaml + "training: {epochs: 0}").contains { $0.contains("must be more than 0") })
        // What is said later wins.
        let steps = try JobConfiguration.parse(
            yaml: yaml + "training: {epochs: 2}", name: "x", overrides: ["training.steps=10"])
        #expect(steps.training.epochs == nil && steps.training.steps == 10)
        let epochs = try JobConfiguration.parse(
            yaml: yaml + "training: {steps: 10}", name: "x", overrides: ["training.epochs=2"])
        #expect(epochs.training.epochs == 2 && epochs.yaml().contains("  epochs: 2.0\n"))
        #expect(!epochs.yaml().contains("  steps: 400000\n"))
    }

    @Test func stepsThatCannotBeAreRefused() throws {
        for (epochs, samples) in [(1e9, 1 << 40), (1, 0)] {
            let error = try #require(throws: JobErrors.self) {
                try job("training.epochs=\(epochs)").countingSteps(samples: samples)
            }
            #expect(error.description.contains("training.epochs") && error.description.contains("a run has from 1"))
        }
        // The learning rate would be 0 from step 100 on; how many there are shows only now.
        let decaying = try job("training.epochs=2", "optimizer.schedule=cosine", "optimizer.decaySteps=100")
        #expect(try decaying.countingSteps(samples: 12_800).training.steps == 100)
        let error = try #require(throws: JobErrors.self) { try decaying.countingSteps(samples: 12_801) }
        #expect(error.description.contains("2.0 epochs of 12801 samples are 101 steps"))
    }

    @Test func aRunGoesOnWithMoreEpochs() throws {
        let recorded = try job("training.epochs=2").countingSteps(samples: 2560).resolved { _ in .keep }
        let more = try job("training.epochs=3").countingSteps(samples: 2560)
        #expect(try more.resumption(from: recorded, at: 20).job.training.steps == 30)
        let fewer = try job("training.epochs=1").countingSteps(samples: 2560)
        #expect(throws: JobResumeError.self) { try fewer.resumption(from: recorded, at: 5) }
    }
}
