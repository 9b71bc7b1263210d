import Jobs
import Model
import Reporting
import TestSupport
import Testing

@Suite struct RecordedJobTests {
    /// What version 0.1 recorded of jobs/digits.yaml at 4,000 steps: beyond its decay, which version 0.2 starts no
    /// run with.
    static let version01 = """
        run:
          directory: runs/digits
          name: null
          seed: 0
          threads: auto
          logEvery: 10
          metricsEvery: 1
        model:
          name: null
          imageSize: 8
          channels: 1
          patchSize: 2
          width: 128
          depth: 12
          heads: 4
          mlpRatio: 4.0
          conditioning: classes
          classes: 10
          learnSigma: false
          fixedPoint: true
          preDepth: 1
          postDepth: 1
          prePostTimestepConditioning: false
        diffusion:
          schedule: cosine
          steps: 1000
          zeroTerminalSNR: false
          target: v
          weighting: snr+1
        data:
          path: data/digits
          shuffle: true
          horizontalFlip: false
          labelDropout: 0.1
        training:
          steps: 4000
          globalBatch: 64
          gradientShards: 4
          microbatch: 16
          iterationsWithoutGradient: [0, 3]
          iterationsWithGradient: [1, 3]
          precision: float32
          activations: keep
        optimizer:
          learningRate: 0.002
          warmupSteps: 50
          schedule: cosine
          decaySteps: 2000
          finalLearningRate: 0.0
          beta1: 0.9
          beta2: 0.999
          epsilon: 1e-08
          weightDecay: 0.0
        ema:
          decay: 0.995
          warmup: false
        checkpoint:
          every: 500
        sampling:
          sampler: auto
          respacing: "50"
          iterations: 8
          allocation: constant
          reuseSolution: false
          eta: 0.0
          guidance: 1.5
          guidedChannels: null
          clip: false
          batch: 250

        """

    @Test func jobsOfVersion01AreUnderstood() throws {
        let job = try ResolvedJob.recorded(Self.version01, in: "runs/digits")
        #expect(job.training.virtualRanks == 4 && job.microbatchSize == 16 && job.activations == .keep)
        #expect(job.training.steps == 4000 && job.optimizer.decaySteps == 2000)
        // It knew two orders.
        #expect(job.shuffle == .full)
        let ordered = Self.version01.replacing("  shuffle: true", with: "  shuffle: false")
        #expect(try ResolvedJob.recorded(ordered, in: "runs/digits").shuffle == .none)
        #expect(job.sampler == .ddpm && job.sampling.guidance == 1.5)
        // What is newer has its default.
        #expect(job.optimizer.clipNorm == nil && job.validation == JobConfiguration.Validation())
        // Written by this version it says the same.
        #expect(try ResolvedJob.recorded(job.yaml(), in: "runs/digits") == job)
    }

    /// The committed job of now differs from it in nothing but its virtual ranks and its length.
    @Test func theDigitsAreWhatTheyWere() throws {
        var now = try JobConfiguration.load(path: "\(repository)/jobs/digits.yaml")
        let then = try JobConfiguration.recorded(Self.version01, in: "runs/digits")
        #expect(now.training.virtualRanks == 8 && now.training.steps == 2000)
        (now.training.virtualRanks, now.training.steps) = (4, 4000)
        (now.training.microbatch, now.training.activations, now.data.shuffle) = (16, .keep, .full)
        #expect(now == then)
    }

    @Test func itsVirtualRanksMayBeMoreThanANewRunTakes() throws {
        let many = Self.version01.replacing("gradientShards: 4", with: "gradientShards: 8192")
            .replacing("globalBatch: 64", with: "globalBatch: 65536").replacing("microbatch: 16", with: "microbatch: 8")
        #expect(try JobConfiguration.recorded(many, in: "x").training.virtualRanks == 8192)
    }

    @Test func whatSamplingNeedsMustBeSound() throws {
        let bad = Self.version01.replacing("imageSize: 8", with: "imageSize: 9")
        let error = try #require(throws: Failure.self) { try JobConfiguration.recorded(bad, in: "x") }
        #expect(error.status == .badData && error.description.contains("model.patchSize"))
        let unknown = Self.version01.replacing("  warmup: false", with: "  warmupp: false")
        #expect(throws: Failure.self) { try JobConfiguration.recorded(unknown, in: "x") }
        let override = try #require(throws: JobErrors.self) {
            try JobConfiguration.recorded(Self.version01, in: "x", overrides: ["sampling.batch=0"])
        }
        #expect(override.cause == .usage)
    }
}

/// Whether recorded weights are those of a network.
@Suite struct RecordedNetworkTests {
    @Test func whatCountsIsCompared() throws {
        let here = try job("model.fixedPoint=true", "model.heads=6")
        func recorded(_ override: String) throws -> String {
            try job("model.fixedPoint=true", "model.heads=6", override).yaml()
        }
        try here.model.requireNetwork(recordedIn: nil, of: "FILE")
        // An FPDM has no depth.
        for same in ["model.depth=3", "training.steps=7"] {
            try here.model.requireNetwork(recordedIn: recorded(same), of: "FILE")
        }
        for (other, says) in [
            ("model.heads=3", "model.heads is 3 there and 6 here"),
            ("model.preDepth=2", "model.preDepth is 2 there and 1"),
            ("model.prePostTimestepConditioning=true", "prePostTimestepConditioning is true there and false here"),
        ] {
            let failure = statedFailure { try here.model.requireNetwork(recordedIn: recorded(other), of: "FILE") }
            #expect(failure?.status == .badData && failure?.description.hasPrefix("FILE: holds weights") == true)
            #expect(failure?.description.contains(says) == true, "\(failure?.description ?? "")")
        }
        #expect(statedFailure { try here.model.requireNetwork(recordedIn: "?", of: "FILE") }?.status == .badData)
    }
}
