import Jobs
import TestSupport
import Testing

@Suite struct JobResumeTests {
    @Test func anUnchangedJobGoesOn() throws {
        #expect(try job().changesForbiddenOnResume(from: job()).isEmpty)
    }

    @Test func whatChangesNoBitsMayChange() throws {
        let changed = try job(
            "run.directory=runs/moved", "run.name=x", "run.threads=3", "run.logEvery=1", "run.metricsEvery=5",
            "data.path=elsewhere/x", "training.steps=500000", "checkpoint.every=3", "sampling.guidance=4",
            "sampling.respacing=100", "training.microbatch=32")
        #expect(try changed.changesForbiddenOnResume(from: job()) == [])
    }

    @Test(arguments: [
        "run.seed=1", "model.depth=3", "model.learnSigma=false", "diffusion.schedule=cosine", "diffusion.steps=999",
        "data.shuffle=false", "data.horizontalFlip=true", "data.labelDropout=0.2", "training.globalBatch=264",
        "training.virtualRanks=4", "training.microbatch=16", "training.iterationsWithGradient=[1, 4]",
        "optimizer.learningRate=0.5", "optimizer.weightDecay=0.5", "optimizer.warmupSteps=10", "ema.decay=0.5",
        "ema.warmup=true",
    ])
    func whatChangesBitsMayNot(override: String) throws {
        let changes = try job(override).changesForbiddenOnResume(from: job())
        let parts = override.split(separator: "=")
        let change = changes.first { $0.hasPrefix("\(parts[0]): recorded ") }
        #expect(change?.hasSuffix(", now \(parts[1])") == true, "\(changes)")
        // Fewer shards make larger ones, and a whole shard is the microbatch.
        #expect(changes.count == (parts[0] == "training.virtualRanks" || parts[0] == "training.globalBatch" ? 2 : 1))
    }

    @Test func stepsMayOnlyGrowAndOnlyWhereNothingDependsOnThem() throws {
        let recorded = try job("training.steps=100")
        #expect(
            try job("training.steps=99").changesForbiddenOnResume(from: recorded)
                == ["training.steps: recorded 100, now 99; it may only grow"])
        let cosine = try job("training.steps=100", "optimizer.schedule=cosine")
        #expect(
            try job("training.steps=101", "optimizer.schedule=cosine").changesForbiddenOnResume(from: cosine)
                == [
                    "training.steps: recorded 100, now 101; the learning rates of schedule cosine depend on it, since "
                        + "optimizer.decaySteps is auto"
                ])
        let fixed = try job("training.steps=100", "optimizer.schedule=cosine", "optimizer.decaySteps=200")
        #expect(
            try job("training.steps=150", "optimizer.schedule=cosine", "optimizer.decaySteps=200")
                .changesForbiddenOnResume(from: fixed).isEmpty)
    }

    @Test func automaticChoicesAreKept() throws {
        let recorded = try job("training.activations=recompute", "training.microbatch=8")
        #expect(try job().changesForbiddenOnResume(from: recorded).isEmpty)
        #expect(try job().keepingChoices(of: recorded).training == recorded.training)
        #expect(
            try job("training.activations=keep").changesForbiddenOnResume(from: recorded) == [
                "training.activations: recorded recompute, now keep"
            ])
    }
}
