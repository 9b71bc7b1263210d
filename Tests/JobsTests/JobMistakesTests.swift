import Jobs
import TestSupport
import Testing

/// A mistake hides no other mistake, and brings forth no second one.
@Suite struct JobMistakesTests {
    private func keys(_ overrides: String...) -> [String] {
        do {
            _ = try JobConfiguration.parse(yaml: leastJob, name: "job.yaml", overrides: overrides)
            return []
        } catch let errors as JobErrors {
            return errors.errors.map(\.key).sorted()
        } catch {
            return ["\(error)"]
        }
    }

    @Test func anUnreadValueHidesNoCheckOfOthers() {
        #expect(
            keys("run.seed=x", "training.virtualRanks=7", "sampling.respacing=none")
                == ["run.seed", "sampling.respacing", "training.virtualRanks"])
        #expect(keys("nonsense.key=1", "model.heads=7") == ["model.heads", "nonsense.key"])
    }

    @Test func aWrongValueHidesNoCheckOfItsSection() {
        #expect(keys("training.steps=0", "training.virtualRanks=7") == ["training.steps", "training.virtualRanks"])
        #expect(keys("model.channels=0", "model.heads=7") == ["model.channels", "model.heads"])
        #expect(keys("model.classes=x", "model.patchSize=5") == ["model.classes", "model.patchSize"])
        #expect(
            keys("diffusion.schedule=x", "diffusion.weighting=p2") == ["diffusion.schedule", "diffusion.weighting"])
        #expect(keys("sampling.batch=0", "sampling.eta=0.5") == ["sampling.batch", "sampling.eta"])
        #expect(
            keys("optimizer.beta1=2", "optimizer.finalLearningRate=0.1")
                == ["optimizer.beta1", "optimizer.finalLearningRate"])
    }

    @Test(arguments: [
        (["training.globalBatch=x", "training.virtualRanks=7"], ["training.globalBatch"]),
        (["training.globalBatch=0", "training.microbatch=300"], ["training.globalBatch"]),
        (["model.imageSize=x", "model.patchSize=5"], ["model.imageSize"]),
        (["model.width=x", "model.heads=7"], ["model.width"]),
        (["model.name=DiT", "model.heads=7"], ["model.name"]),
        (["model.channels=x", "sampling.guidedChannels=5"], ["model.channels"]),
        (["model.learnSigma=x", "diffusion.target=flow"], ["model.learnSigma"]),
        (["diffusion.target=x", "diffusion.weighting=p2", "sampling.sampler=flow"], ["diffusion.target"]),
        (["diffusion.steps=x", "sampling.respacing=1001"], ["diffusion.steps"]),
        (["optimizer.schedule=x", "optimizer.decaySteps=9"], ["optimizer.schedule"]),
        (["training.steps=x", "optimizer.schedule=cosine", "optimizer.decaySteps=9"], ["training.steps"]),
        // A misspelt key is the one that it most likely meant.
        (["training.globalbatch=70", "training.virtualRanks=7"], ["training.globalbatch"]),
    ])
    func aMistakeBringsForthNoSecondOne(overrides: [String], expected: [String]) throws {
        let errors = try #require(throws: JobErrors.self) {
            try JobConfiguration.parse(yaml: leastJob, name: "job.yaml", overrides: overrides)
        }
        #expect(errors.errors.map(\.key) == expected, "\(errors)")
    }

    @Test func aMisspeltSectionIsWhatItMeant() {
        #expect(
            refusal(
                of: "run: {directory: x}\ndata: {path: x}\ntrainng: {globalBatch: 70}\n", ["training.virtualRanks=7"])
                == ["job.yaml:3: trainng: unknown section; did you mean training?"])
        #expect(
            refusal(of: "run: {directry: x}\ndata: {path: x}\n")
                == ["job.yaml:1: run.directry: unknown key; did you mean run.directory?"])
    }

    /// Of two keys that do not go together, the one that was set for this run is at fault.
    @Test func anOverrideIsBlamedForWhatItSpoils() {
        let file = leastJob + "training: {globalBatch: 64, virtualRanks: 8}\n"
        #expect(refusal(of: file, ["training.virtualRanks=5"])[0].hasPrefix("--set training.virtualRanks=5: 5 virtual"))
        #expect(refusal(of: file, ["training.globalBatch=60"])[0].hasPrefix("--set training.globalBatch=60: 8 virtual"))
    }
}
