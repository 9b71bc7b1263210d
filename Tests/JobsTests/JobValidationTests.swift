import Jobs
import TestSupport
import Testing

@Suite struct JobValidationTests {
    /// What a job sets, the field that is blamed, and a part of the message, which holds the remedy.
    static let refused: [([String], String, String)] = [
        // Single values.
        (["training.steps=0"], "training.steps", "must be from 1 to"),
        (["training.globalBatch=0"], "training.globalBatch", "must be from 1 to"),
        (["training.virtualRanks=0"], "training.virtualRanks", "must be from 1 to"),
        (["training.microbatch=-1"], "training.microbatch", "must be at least 0"),
        (["training.iterationsWithoutGradient=[-1, 3]"], "training.iterationsWithoutGradient", "both from 0"),
        (["training.iterationsWithoutGradient=[4, 3]"], "training.iterationsWithoutGradient", "in order, both"),
        (["training.iterationsWithGradient=[0, 3]"], "training.iterationsWithGradient", "both from 1"),
        (["training.iterationsWithGradient=[4, 3]"], "training.iterationsWithGradient", "in order, both"),
        (["optimizer.learningRate=0"], "optimizer.learningRate", "must be more than 0"),
        (["optimizer.learningRate=-1"], "optimizer.learningRate", "must be more than 0"),
        (["optimizer.beta1=1"], "optimizer.beta1", "less than 1"),
        (["optimizer.beta2=-0.1"], "optimizer.beta2", "at least 0"),
        (["optimizer.epsilon=0"], "optimizer.epsilon", "must be at least 1e-37"),
        (["optimizer.epsilon=1e-38"], "optimizer.epsilon", "must be at least 1e-37"),
        (["optimizer.weightDecay=-1"], "optimizer.weightDecay", "must be at least 0"),
        (["optimizer.warmupSteps=-1"], "optimizer.warmupSteps", "at least 0"),
        (["optimizer.schedule=linear", "optimizer.finalLearningRate=1.5"], "optimizer.finalLearningRate", "0 to 1"),
        (["ema.decay=1.01"], "ema.decay", "from 0 to 1"),
        (["data.labelDropout=1.5"], "data.labelDropout", "from 0 to 1"),
        (["data.labelDropout=-0.5"], "data.labelDropout", "from 0 to 1"),
        (["run.seed=-1"], "run.seed", "at least 0"),
        (["run.threads=-1"], "run.threads", "from 1 to 1024"),
        (["run.logEvery=0"], "run.logEvery", "at least 1"),
        (["run.metricsEvery=0"], "run.metricsEvery", "at least 1"),
        (["checkpoint.every=-1"], "checkpoint.every", "at least 0"),
        (["diffusion.steps=1"], "diffusion.steps", "from 2"),
        (["sampling.iterations=0"], "sampling.iterations", "from 1"),
        (["sampling.batch=0"], "sampling.batch", "at least 1"),
        (["sampling.guidance=-1"], "sampling.guidance", "at least 0"),
        (["sampling.guidedChannels=0"], "sampling.guidedChannels", "at least 1"),
        (["sampling.sampler=ddim", "sampling.eta=1.5"], "sampling.eta", "from 0 to 1"),
        // The network.
        (["model.imageSize=0"], "model.imageSize", "from 1"),
        (["model.channels=0"], "model.channels", "from 1"),
        (["model.patchSize=5"], "model.patchSize", "choose a divisor"),
        (["model.width=390"], "model.width", "multiple of 4"),
        (["model.heads=7"], "model.heads", "choose a divisor"),
        (["model.mlpRatio=0"], "model.mlpRatio", "more than 0"),
        (["model.mlpRatio=1e300"], "model.mlpRatio", "at most 64"),
        (["model.mlpRatio=1e-9"], "model.mlpRatio", "no hidden layer"),
        (["model.classes=0"], "model.classes", "conditioning: none"),
        (["model.depth=0"], "model.depth", "from 1 to 10000"),
        (["model.preDepth=-1"], "model.preDepth", "from 0"),
        (["model.postDepth=-1"], "model.postDepth", "from 0"),
        // How fields go together.
        (["diffusion.target=flow"], "diffusion.target", "learnSigma"),
        (["diffusion.zeroTerminalSNR=true"], "diffusion.target", "choose target v"),
        (["diffusion.weighting=p2"], "diffusion.weighting", "choose target v"),
        (
            ["training.virtualRanks=6"], "training.virtualRanks",
            "6 virtual ranks do not divide a global batch of 256; use 4 or 8 virtual ranks, or a batch of 252 or 258"
        ),
        (["training.globalBatch=100"], "training.globalBatch", "use 5 or 10 virtual ranks, or a batch of 96 or 104"),
        (["training.globalBatch=4"], "training.globalBatch", "use 4 virtual ranks, or a batch of 8"),
        (["training.virtualRanks=4097"], "training.virtualRanks", "from 1 to 4096"),
        (["training.maxSkippedSteps=-1"], "training.maxSkippedSteps", "at least 0"),
        (["optimizer.clipNorm=0"], "optimizer.clipNorm", "more than 0"),
        (["validation.every=0"], "validation.every", "at least 1"),
        (["validation.batches=0"], "validation.batches", "from 1"),
        (
            ["optimizer.schedule=cosine", "optimizer.decaySteps=2000", "training.steps=2001"], "training.steps",
            "from step 2000 on the learning rate would be 0, and there are 2001 steps; set training.steps to at most "
                + "optimizer.decaySteps, or optimizer.finalLearningRate above 0, or optimizer.decaySteps to auto"
        ),
        (["optimizer.schedule=linear", "optimizer.decaySteps=2000"], "optimizer.decaySteps", "would be 0"),
        (["training.microbatch=33"], "training.microbatch", "33 is more than the 32 samples"),
        (["optimizer.decaySteps=9"], "optimizer.decaySteps", "cosine or linear"),
        (["optimizer.finalLearningRate=0.1"], "optimizer.finalLearningRate", "cosine or linear"),
        (["model.conditioning=none", "data.labelDropout=0.1"], "data.labelDropout", "set it to 0"),
        (["model.conditioning=none", "sampling.guidance=2"], "sampling.guidance", "set it to 1"),
        (["data.labelDropout=0", "sampling.guidance=2"], "sampling.guidance", "set data.labelDropout to 0.1"),
        (["sampling.guidedChannels=5"], "sampling.guidedChannels", "more than model.channels: 4"),
        (["sampling.eta=0.5"], "sampling.eta", "set sampling.sampler: ddim"),
        (["sampling.sampler=flow"], "sampling.sampler", "use auto"),
        (
            ["diffusion.target=flow", "model.learnSigma=false", "sampling.sampler=ddpm"], "sampling.sampler", "use auto"
        ),
        (["sampling.respacing=none"], "sampling.respacing", "write 20, or"),
        (["sampling.respacing=10,"], "sampling.respacing", "write 20, or"),
        (["sampling.respacing=1001"], "sampling.respacing", "ask for at most 1000 there"),
        (["sampling.respacing=10,501"], "sampling.respacing", "ask for at most 500 there"),
        (["sampling.respacing=ddim600"], "sampling.respacing", "the nearest are ddim500 or ddim1000"),
        (["diffusion.steps=20", "sampling.respacing=10"], "diffusion.steps", "use more than 20"),
        (
            ["diffusion.target=flow", "model.learnSigma=false", "diffusion.zeroTerminalSNR=true"],
            "diffusion.zeroTerminalSNR", "flow"
        ),
    ]

    @Test(arguments: refused)
    func impossibleJobsAreRefusedWithTheRemedy(overrides: [String], key: String, message: String) throws {
        let errors = try #require(throws: JobErrors.self) {
            try JobConfiguration.parse(yaml: leastJob, name: "job.yaml", overrides: overrides)
        }
        #expect(errors.errors.map(\.key) == [key], "\(errors)")
        #expect(errors.errors[0].message.contains(message), "\(errors)")
    }

    /// The same choices made well: what the checks must let pass.
    @Test(arguments: [
        ["diffusion.target=flow", "model.learnSigma=false", "sampling.respacing=\"\""],
        ["diffusion.target=v", "diffusion.zeroTerminalSNR=true", "diffusion.weighting=p2"],
        ["training.globalBatch=104", "training.microbatch=13"],
        ["training.virtualRanks=1", "training.globalBatch=7", "training.microbatch=3"],
        ["training.virtualRanks=7", "training.globalBatch=21"],
        ["training.virtualRanks=4096", "training.globalBatch=4096"],
        ["optimizer.schedule=cosine", "optimizer.decaySteps=2000", "training.steps=2000"],
        ["optimizer.schedule=cosine", "optimizer.decaySteps=2000", "optimizer.finalLearningRate=0.1"],
        ["optimizer.clipNorm=1", "training.maxSkippedSteps=0", "validation.path=data/held-out"],
        ["training.iterationsWithoutGradient=[3, 3]", "training.iterationsWithGradient=[1, 1]"],
        ["model.conditioning=none", "model.classes=0"],
        ["model.fixedPoint=true", "model.depth=0", "model.preDepth=0"],
        ["sampling.sampler=ddim", "sampling.eta=1", "sampling.respacing=ddim50", "sampling.guidance=4"],
        ["sampling.respacing=500, 500"], ["diffusion.steps=20", "diffusion.schedule=cosine", "sampling.respacing=10"],
        ["ema.decay=1"], ["data.labelDropout=0"],
        ["optimizer.schedule=cosine", "optimizer.finalLearningRate=0.1"],
    ])
    func possibleJobsAreNot(overrides: [String]) throws {
        _ = try JobConfiguration.parse(yaml: leastJob, name: "job.yaml", overrides: overrides)
    }

    @Test func jobsMadeInCodeAreCheckedToo() {
        #expect(JobConfiguration().problems.map(\.key) == ["run.directory", "data.path"])
        var job = JobConfiguration()
        job.optimizer.learningRate = .nan
        job.model.mlpRatio = .infinity
        job.model.width = .max
        job.training.virtualRanks = .min
        #expect(
            Set(job.problems.map(\.key)) == [
                "run.directory", "data.path", "optimizer.learningRate", "model.mlpRatio", "model.width",
                "training.virtualRanks",
            ])
    }

    @Test func anyNumberOfRanksSharesTheVirtualRanks() throws {
        let job = try job()
        for ranks in 1...8 { #expect(job.problems(forRanks: ranks).isEmpty) }
        for ranks in [-1, 0, 9, 16] { #expect(job.problems(forRanks: ranks).count == 1) }
        #expect(
            job.problems(forRanks: 9).map(\.description) == [
                "training.virtualRanks: 8 virtual ranks cannot keep 9 ranks busy; use 1 to 8 ranks, or more virtual "
                    + "ranks in a new run"
            ])
    }

    @Test func whatRanksIdleIsSaid() throws {
        let eight = try job()
        for ranks in [1, 2, 4, 8, 0, 9] { #expect(eight.idleNote(forRanks: ranks) == nil) }
        #expect(
            eight.idleNote(forRanks: 3)
                == "3 ranks share 8 virtual ranks as 3 + 3 + 2: a step takes as long as 3 of them, so 11 % of the ranks' "
                + "time is idle; 1, 2, 4 or 8 ranks divide them")
        let many = try job("training.virtualRanks=240", "training.globalBatch=480")
        #expect(
            many.idleNote(forRanks: 47)
                == "47 ranks share 240 virtual ranks as 5 x 6 + 42 x 5: a step takes as long as 6 of them, so 15 % of the "
                + "ranks' time is idle; 40 or 48 ranks divide them")
        let close = try job("training.virtualRanks=4095", "training.globalBatch=4095")
        #expect(close.idleNote(forRanks: 2)?.contains("so under 1 % of the ranks' time is idle") == true)
    }

    @Test func whatIsHardlyMeantIsWarnedOf() throws {
        #expect(try job().warnings == [])
        #expect(try job("optimizer.epsilon=1e-12").warnings == [])
        #expect(try job("ema.decay=1", "ema.warmup=true").warnings == [])
        #expect(try job("checkpoint.keepEvery=100", "checkpoint.keepLast=1").warnings == [])
        let warnings = try job("optimizer.epsilon=1e-13", "ema.decay=1", "checkpoint.keepEvery=100").warnings
        #expect(
            warnings.map { $0.prefix { $0 != ":" } } == ["optimizer.epsilon", "ema.decay", "checkpoint.keepEvery"])
    }

    @Test func samplersFollowTheTarget() throws {
        #expect(try job().sampler == .ddpm)
        #expect(try job("diffusion.target=flow", "model.learnSigma=false").sampler == .flow)
        #expect(try job("sampling.sampler=ddim").sampler == .ddim)
    }
}
