import Compute
import Diffusion
import Model

/// A job: everything that a run is, as one typed value, written by people as a YAML file.
///
/// The keys of the file are the names of the sections and properties below; `JobConfiguration.sections` is the one
/// table of them, from which parsing, printing, checking and docs/jobs.md follow. A value made by `load` or `parse`
/// has passed `problems`; one put together in code has not.
public struct JobConfiguration: Equatable, Sendable {
    public var run = Run()
    public var model = ModelConfiguration()
    public var diffusion = DiffusionConfiguration()
    public var data = Data()
    public var training = Training()
    public var optimizer = Optimizer()
    public var ema = EMA()
    public var validation = Validation()
    public var checkpoint = Checkpoint()
    public var sampling = Sampling()

    public init() {}

    /// Where a run lives and how it reports.
    public struct Run: Equatable, Sendable {
        /// The run folder, relative to the working directory; empty until it is given.
        public var directory = ""
        /// What people call the run.
        public var name: String?
        /// Every random value of the run is a function of it.
        public var seed = 0
        /// Worker threads of a rank; 0: the cores of the affinity mask over the node's ranks.
        public var threads = 0
        /// Who multiplies matrices.
        public var gemm = MatrixLibrary.auto
        /// Steps between progress lines.
        public var logEvery = 10
        /// Steps between lines of `metrics.jsonl`.
        public var metricsEvery = 1
        /// Steps between measurements of the fixed point's residuals; 0: none.
        public var residualsEvery = 0
        /// After which it saves and ends, counted from the start of the process.
        public var timeLimit = TimeLimit.automatic
        /// Seconds without progress after which all ranks are ended; 0: never.
        public var watchdog = 600

        public init() {}
    }

    /// What is learnt from.
    public struct Data: Equatable, Sendable {
        /// The order of an epoch's samples.
        public enum Shuffle: String, CaseIterable, Sendable {
            /// The data set's, over and over.
            case none
            /// Any sample may come anywhere.
            case full
            /// Chunks in any order, then samples within windows: a chunk is read about once.
            case window
        }

        /// Base path of the data set: `data/digits` means `data/digits-00000-of-00002.h5` and so on; empty until given.
        public var path = ""
        /// Far beyond use; keeps what is computed from it within an Int.
        public static let windowLimit = 1...1_000_000_000

        /// The order of samples; nil: `full` where they are kept in memory, otherwise `window`.
        /// `ResolvedJob.shuffle` has the choice made.
        public var shuffle: Shuffle?
        /// Shuffle `window`: samples of a virtual rank that change places among each other.
        public var window = 1024
        /// A folder of each node that the data set is copied to and read from; nil: it is read where it is.
        public var stage: String?
        /// Whether half of the images are mirrored, drawn for each sample and step.
        public var horizontalFlip = false
        /// Probability that a sample's label is dropped, which is what guidance needs.
        public var labelDropout = 0.1

        public init() {}
    }

    /// How a step is made.
    public struct Training: Equatable, Sendable {
        /// A random stream numbers its steps with 32 bits.
        public static let stepsLimit = 1...4_294_967_295
        /// Far beyond use; keeps what is computed from it within an Int.
        public static let globalBatchLimit = 1...1_000_000_000
        /// With more, the sums of their gradients would lose bits that they need.
        public static let virtualRanksLimit = 1...4_096

        /// Steps of the whole run; of no meaning while `epochs` is there.
        public var steps = 400_000
        /// Passes over the data, in place of `steps`: `JobConfiguration.countingSteps` makes these of it.
        public var epochs: Double?
        /// Samples of a step, over all ranks.
        public var globalBatch = 256
        /// Equal parts of the global batch, each computed alone by one of up to as many ranks; the sum of their
        /// gradients is the same bits however they are spread over ranks. Divides `globalBatch`.
        public var virtualRanks = 8
        /// Samples that pass through the network at once, which changes no bits; 0: those of a whole virtual rank, or
        /// as many of them as fit into memory.
        /// `ResolvedJob.microbatchSize` has the choice made.
        public var microbatch = 0
        /// n: FPDM iterations before those that are differentiated.
        public var iterationsWithoutGradient = IterationRange(0, 12)
        /// m: the last FPDM iterations, which are differentiated.
        public var iterationsWithGradient = IterationRange(1, 12)
        /// What of the solve is differentiated.
        public var backward = SolveGradient.sjfb
        /// How the noise levels of samples are chosen.
        public var timestepSampler = TimestepSampling.uniform
        /// Number format of products and of what is kept for the backward pass; nil: what all ranks' processors are
        /// faster with. `ResolvedJob.precision` has the choice made.
        public var precision: Precision? = .float32
        /// What happens to the activations of the gradient iterations between forward and backward; nil: kept if
        /// they fit into memory. `ResolvedJob.activations` has the choice made.
        public var activations: ActivationMode?
        /// Steps in a row that may be skipped, because a loss or gradient was not finite, before the job stops.
        public var maxSkippedSteps = 10
        /// Steps between two looks at every rank's copy of the weights; 0: none.
        public var checkWeightsEvery = 1

        public init() {}

        /// Samples of one virtual rank; meaningful once the job has no problems.
        public var virtualRankSize: Int { virtualRanks > 0 ? globalBatch / virtualRanks : 0 }

        /// Fixed-point iterations of a step that are differentiated, at most.
        public var mostIterationsWithGradient: Int {
            backward.iterations(
                Iterations(
                    withoutGradient: iterationsWithoutGradient.max, withGradient: iterationsWithGradient.max)
            ).withGradient
        }
    }

    /// AdamW (arXiv 1711.05101), and its learning rate over the steps.
    public struct Optimizer: Equatable, Sendable {
        /// The learning rate after warm-up.
        public enum Schedule: String, CaseIterable, Sendable {
            case constant
            /// Half a cosine down to the final learning rate at `decaySteps`.
            case cosine
            /// A straight line down to the final learning rate at `decaySteps`.
            case linear
        }

        /// Smaller ones are no normal numbers in float32, in which the optimizer computes: they would be 0 there.
        public static let epsilonLimit: PartialRangeFrom<Double> = 1e-37...

        /// The peak learning rate.
        public var learningRate = 1e-4
        /// Steps over which the learning rate rises in a straight line to its peak.
        public var warmupSteps = 0
        public var schedule = Schedule.constant
        /// 0 stands for `training.steps`.
        public var decaySteps = 0
        /// The last learning rate over the peak; schedules cosine and linear only.
        public var finalLearningRate = 0.0
        public var beta1 = 0.9
        public var beta2 = 0.999
        public var epsilon = 1e-8
        /// Each step multiplies the weights by 1 - learning rate x this.
        public var weightDecay = 0.0
        /// The largest L2 norm of the whole gradient, to which a larger one is scaled down; nil: no limit.
        public var clipNorm: Double?

        public init() {}
    }

    /// The exponential moving average of the weights, which is what is sampled from.
    public struct EMA: Equatable, Sendable {
        /// Weight of the old average in each step.
        public var decay = 0.9999
        /// Whether step s uses min(decay, (1 + s) / (10 + s)), which forgets the initial weights sooner.
        public var warmup = false

        public init() {}
    }

    /// The loss on samples that are not learnt from.
    public struct Validation: Equatable, Sendable {
        /// Far beyond use; keeps their number of samples within an Int.
        public static let batchesLimit = 1...1_000_000_000

        /// Base path of a held-out data set; nil: no validation.
        public var path: String?
        /// Steps between validations.
        public var every = 1000
        /// Global batches of held-out samples in a validation.
        public var batches = 4

        public init() {}
    }

    /// When a run is saved, and what of it stays. The last step always is saved, and stays.
    public struct Checkpoint: Equatable, Sendable {
        /// Steps between checkpoints; 0: only at the end.
        public var every = 1000
        /// Whether training goes on while one is written, from a copy.
        public var background = true
        /// The latest checkpoints that stay; 0: all.
        public var keepLast = 0
        /// Those stay, too, whose step is a multiple of this; 0: none for that reason.
        public var keepEvery = 0

        public init() {}
    }

    /// What `fpdm sample` does unless told otherwise.
    public struct Sampling: Equatable, Sendable {
        /// nil: `flow` for target flow, otherwise `ddpm`. `JobConfiguration.sampler` has the choice made.
        public var sampler: SamplerKind?
        /// Number of steps ("50"), `ddimN`, or numbers for equal parts of the schedule ("10,15,25"); "": all.
        public var respacing = "50"
        /// FPDM iterations of a step; of their mean where the allocation is not constant.
        public var iterations = 8
        /// How the iterations are spread over the sampling steps.
        public var allocation = IterationAllocation.constant
        /// FPDM iterations of every step, in sampling order, in place of `iterations` and `allocation`; nil: by those.
        public var iterationList: [Int]?
        /// A solve ends for a sample once ||f(z) - z|| / ||z|| is less, and what that leaves over goes to its later steps;
        /// 0: it makes all its iterations.
        public var tolerance = 0.0
        /// How a solve goes on from one state to the next.
        public var solver = SolveMethod.iteration
        /// States that Anderson acceleration remembers.
        public var solverMemory = 5
        /// Whether a step's solve starts from the solution of the step before.
        public var reuseSolution = false
        /// Noise of DDIM: 0 for none, 1 for as much as DDPM.
        public var eta = 0.0
        /// Scale of classifier-free guidance; 1: none.
        public var guidance = 1.0
        /// How many channels, from the first, guidance acts on; nil: all.
        public var guidedChannels: Int?
        /// Training steps within which guidance acts; nil: all.
        public var guidanceInterval: GuidanceInterval?
        /// Whether the predicted clean image is clamped to [-1, 1] in each step.
        public var clip = false
        /// Images made at once.
        public var batch = 64

        public init() {}
    }

    /// Whether any checkpoint is written while training goes on: it waits for the one at its end.
    public var savesWhileTraining: Bool {
        checkpoint.background && checkpoint.every > 0 && checkpoint.every < training.steps
    }

    /// The sampler with `auto` resolved.
    public var sampler: SamplerKind { sampling.sampler ?? (diffusion.target == .flow ? .flow : .ddpm) }
}

/// Both ends included; a count is drawn uniformly from it once a step, for all ranks. Written `[0, 12]`.
public struct IterationRange: Equatable, Hashable, Sendable {
    public var min: Int
    public var max: Int

    public init(_ min: Int, _ max: Int) {
        self.min = min
        self.max = max
    }
}
