import Compute
import Diffusion
import Model

extension JobConfiguration {
    /// The table of fields, in the order in which jobs are printed.
    public static let sections: [JobSection] = [
        JobSection(key: "run", documentation: "Where the run lives and how it reports.", fields: runFields),
        JobSection(
            key: "model",
            documentation: "The network: a DiT (arXiv 2212.09748), or an FPDM (arXiv 2401.08741) whose middle is one "
                + "block iterated to a fixed point.",
            fields: modelFields),
        JobSection(
            key: "diffusion", documentation: "What noise does, and what the network predicts.", fields: diffusionFields),
        JobSection(key: "data", documentation: "What is learnt from.", fields: dataFields),
        JobSection(key: "training", documentation: "How a step is made.", fields: trainingFields),
        JobSection(key: "optimizer", documentation: "AdamW and its learning rate.", fields: optimizerFields),
        JobSection(
            key: "ema", documentation: "The moving average of the weights, which is sampled.", fields: emaFields),
        JobSection(
            key: "validation",
            documentation: "The loss on held-out samples, the same on any number of ranks.",
            fields: validationFields),
        JobSection(
            key: "checkpoint",
            documentation: "When the run is saved, and which checkpoints stay. The last step always is saved. Unless "
                + "`keepLast` says otherwise all stay; those that need not are deleted once a later one is in its place.",
            fields: checkpointFields),
        JobSection(
            key: "sampling", documentation: "What `fpdm sample` does unless told otherwise.", fields: samplingFields),
    ]

    /// All fields of the table.
    public static let fields: [JobField] = sections.flatMap(\.fields)

    private static let runFields: [JobField] = [
        JobField(
            "run", "directory", \.run.directory, "The run folder, relative to the working directory.", required: true,
            onResume: .free),
        JobField("run", "name", \.run.name, "What you call the run; appears in reports.", onResume: .free),
        JobField("run", "seed", \.run.seed, "Every random value of the run is a function of it.", .atLeast(0)),
        JobField(
            "run", "threads", \.run.threads.orAutomatic,
            "Worker threads of a rank; auto: the cores it may use over the node's ranks. Changes speed only.",
            .upTo(WorkerPool.threadsLimit.upperBound), onResume: .free),
        JobField(
            "run", "gemm", \.run.gemm,
            "Who multiplies matrices, part of what decides about bits: this program's `native` kernels, `onednn`, or "
                + "`openblas` (float32 only). auto: in float32 native where the build is for processors with AVX-512, else oneDNN, or "
                + "OpenBLAS where that is not installed; in bf16 oneDNN where the processor is faster with bf16, else native.",
            onResume: .free),
        JobField("run", "logEvery", \.run.logEvery, "Steps between progress lines.", .atLeast(1), onResume: .free),
        JobField(
            "run", "metricsEvery", \.run.metricsEvery, "Steps between lines of `metrics.jsonl`.", .atLeast(1),
            onResume: .free),
        JobField(
            "run", "residualsEvery", \.run.residualsEvery,
            "FPDM: steps between lines of `metrics.jsonl` with the norm of f(z) - z over that of z before each iteration, the "
                + "mean over the first samples of the batch; 0: never.",
            .atLeast(0), onResume: .free),
        JobField(
            "run", "timeLimit", \.run.timeLimit,
            "How long the program may run before it saves and ends with 75, to be started again, within what Slurm gives; "
                + "`auto`: as long as Slurm says, elsewhere without an end; `none`: whatever Slurm says.",
            onResume: .free),
        JobField(
            "run", "watchdog", \.run.watchdog,
            "Seconds without progress after which a run that hangs is ended, naming the rank at fault; 0: never. More than "
                + "a microbatch takes.",
            .atLeast(0), onResume: .free),
    ]

    private static let modelFields: [JobField] = [
        JobField(
            "model", "name", \.model.sizeName,
            "Takes `depth`, `width`, `heads` and `patchSize` from a published size, `DiT-S/2` to `DiT-XL/8`; "
                + "`FPDM-XL/2` also sets `fixedPoint`. Keys written beside it win.", onResume: .free),
        JobField(
            "model", "imageSize", \.model.imageSize, "Side of the image or latent.",
            .within(ModelConfiguration.imageSizeLimit)),
        JobField(
            "model", "channels", \.model.channels, "Channels of the image or latent.",
            .within(ModelConfiguration.channelsLimit)),
        JobField(
            "model", "patchSize", \.model.patchSize, "Side of the patch that becomes a token; divides `imageSize`.",
            .within(ModelConfiguration.patchSizeLimit)),
        JobField(
            "model", "width", \.model.width, "Width of a token; a multiple of 4 and of `heads`.",
            .within(ModelConfiguration.widthLimit)),
        JobField(
            "model", "depth", \.model.depth, "Blocks of a DiT, at least 1; an FPDM ignores it.",
            .within(ModelConfiguration.depthLimit)),
        JobField("model", "heads", \.model.heads, "Attention heads.", .within(ModelConfiguration.headsLimit)),
        JobField(
            "model", "mlpRatio", \.model.mlpRatio, "Hidden width of the MLP over `width`.",
            .positive(upTo: ModelConfiguration.mostMLPRatio)),
        JobField(
            "model", "conditioning", \.model.conditioning,
            "What an image is conditioned on: an integer label, a vector of floats, or nothing."),
        JobField(
            "model", "classes", \.model.classes, "Number of classes, or length of the label vector.",
            .within(ModelConfiguration.classesLimit)),
        JobField(
            "model", "learnSigma", \.model.learnSigma, "Whether the network also predicts the variance (2102.09672)."),
        JobField("model", "fixedPoint", \.model.fixedPoint, "An FPDM rather than a DiT."),
        JobField(
            "model", "preDepth", \.model.preDepth, "FPDM: blocks before the fixed point.",
            .within(ModelConfiguration.preDepthLimit)),
        JobField(
            "model", "postDepth", \.model.postDepth, "FPDM: blocks after the fixed point.",
            .within(ModelConfiguration.postDepthLimit)),
        JobField(
            "model", "prePostTimestepConditioning", \.model.prePostTimestepConditioning,
            "FPDM: whether those blocks and the final layer see the timestep, or the label only."),
    ]

    private static let diffusionFields: [JobField] = [
        JobField("diffusion", "schedule", \.diffusion.schedule, "How the noise grows."),
        JobField(
            "diffusion", "steps", \.diffusion.steps, "Number of noise levels.",
            .within(DiffusionConfiguration.stepsLimit)),
        JobField(
            "diffusion", "zeroTerminalSNR", \.diffusion.zeroTerminalSNR,
            "Rescales the schedule so that its last step is pure noise (2305.08891); not with target eps."),
        JobField(
            "diffusion", "target", \.diffusion.target,
            "What the network predicts: the noise, v, the clean image, or the velocity of a straight path."),
        JobField(
            "diffusion", "weighting", \.diffusion.weighting,
            "Target v: weight of the error of the clean image; `snr+1` is the plain error of v."),
        JobField(
            "diffusion", "loss", \.diffusion.loss,
            "What is made small (2102.09672): the squared error, and with learned variances the bound that trains these "
                + "(rescaled_mse: times steps / 1000); or the variational bound alone, in bits a dimension (rescaled_kl: "
                + "times steps)."),
        JobField(
            "diffusion", "fixedVariance", \.diffusion.fixedVariance,
            "Without `learnSigma`: variance of a step of sampler ddpm, and of the bound: large (beta) or small (the "
                + "posterior's)."),
    ]

    private static let dataFields: [JobField] = [
        JobField(
            "data", "path", \.data.path,
            "Base path of the data set: `data/digits` means `data/digits-00000-of-00002.h5` and so on.", required: true,
            onResume: .free),
        JobField(
            "data", "shuffle", \.data.shuffle.orAutomatic,
            "Order of an epoch: full mixes all samples; window mixes chunks, then samples within windows, so that each "
                + "rank reads its own part of the files, once; none: as packed. auto: full for a data set that is kept in "
                + "memory, otherwise window."),
        JobField(
            "data", "window", \.data.window,
            "Shuffle window: samples of a virtual rank that are mixed with each other; two windows are held in memory.",
            .within(Data.windowLimit)),
        JobField(
            "data", "stage", \.data.stage,
            "Folder on a disk of each node, to which the data set is copied, once a node, before it is read there.",
            onResume: .free),
        JobField(
            "data", "horizontalFlip", \.data.horizontalFlip, "Whether samples are mirrored with probability one half."),
        JobField(
            "data", "labelDropout", \.data.labelDropout,
            "Probability that a sample's label is dropped; guidance needs some. 0 where there are no labels.", .fraction
        ),
    ]

    private static let trainingFields: [JobField] = [
        JobField(
            "training", "steps", \.training.steps, "Steps of the whole run.", .within(Training.stepsLimit),
            onResume: .grows),
        JobField(
            "training", "epochs", \.training.epochs,
            "In place of `steps`: passes over the data set, rounded up to whole steps when the run starts, which records "
                + "those.", .positive, onResume: .grows),
        JobField(
            "training", "globalBatch", \.training.globalBatch, "Samples of a step, over all ranks.",
            .within(Training.globalBatchLimit)),
        JobField(
            "training", "virtualRanks", \.training.virtualRanks,
            "Equal parts of the global batch: any number of ranks up to it shares them and computes the same bits. "
                + "Divides `globalBatch`.", .within(Training.virtualRanksLimit)),
        JobField(
            "training", "microbatch", \.training.microbatch.orAutomatic,
            "Samples in the network at once, at most those of a virtual rank; fewer take less memory. Rounded up to whole "
                + "groups of at most 2,048 tokens; changes no bits. auto: as many of those as fit into memory.",
            .notNegative, onResume: .free),
        JobField(
            "training", "iterationsWithoutGradient", \.training.iterationsWithoutGradient,
            "FPDM: range of n, the iterations that only approach the fixed point; drawn once a step.",
            .within(ModelConfiguration.solveIterationsLimit)),
        JobField(
            "training", "iterationsWithGradient", \.training.iterationsWithGradient,
            "FPDM: range of m, the last iterations, which are differentiated; drawn once a step.",
            .within(1...ModelConfiguration.solveIterationsLimit.upperBound)),
        JobField(
            "training", "backward", \.training.backward,
            "FPDM: what is differentiated: sjfb, the last m iterations; jfb, the last of all n + m alone; unroll, all n + m, "
                + "each of which then takes memory."),
        JobField(
            "training", "timestepSampler", \.training.timestepSampler,
            "How samples' noise levels are chosen: uniform, all alike; second_moment, more often where the latest losses are large, "
                + "samples counting the less the likelier theirs was (arXiv 2102.09672, 3.3)."),
        JobField(
            "training", "precision", \.training.precision.orAutomatic,
            "Number format of products and of what is kept for the backward pass, which takes half the memory in bf16: float32, or "
                + "bf16 with sums in float32. auto: bf16 where all ranks' processors are faster with it."),
        JobField(
            "training", "activations", \.training.activations.orAutomatic,
            "Activations of the m iterations: kept (faster) or recomputed (smaller); auto decides before step 0: kept where they "
                + "take at most a quarter of a rank's memory, in smaller microbatches if these are auto, too.",
            onResume: .free),
        JobField(
            "training", "maxSkippedSteps", \.training.maxSkippedSteps,
            "Steps in a row that may be skipped because a loss or gradient was not finite, before the job stops.",
            .atLeast(0), onResume: .free),
        JobField(
            "training", "checkWeightsEvery", \.training.checkWeightsEvery,
            "Every so many steps each rank holds its copy of the weights against the checksums that came with them; a copy "
                + "that changed in memory is fetched anew. A change in a step without a look may go unseen. 0: never.",
            .atLeast(0), onResume: .free),
    ]

    private static let optimizerFields: [JobField] = [
        JobField(
            "optimizer", "learningRate", \.optimizer.learningRate, "The peak learning rate.", .positive),
        JobField(
            "optimizer", "warmupSteps", \.optimizer.warmupSteps, "Steps of a straight rise to the peak.", .atLeast(0)),
        JobField("optimizer", "schedule", \.optimizer.schedule, "The learning rate after that."),
        JobField(
            "optimizer", "decaySteps", \.optimizer.decaySteps.orAutomatic,
            "cosine, linear: the step at which the last learning rate is reached; auto: `training.steps`. A number "
                + "lets a run be lengthened later, or cut into pieces, to the same bits; where the last learning rate "
                + "is 0, `training.steps` ends there.",
            .notNegative),
        JobField(
            "optimizer", "finalLearningRate", \.optimizer.finalLearningRate,
            "cosine, linear: the last learning rate, as a fraction of the peak.", .fraction),
        JobField("optimizer", "beta1", \.optimizer.beta1, "Memory of the mean gradient.", .belowOne),
        JobField("optimizer", "beta2", \.optimizer.beta2, "Memory of the mean squared gradient.", .belowOne),
        JobField(
            "optimizer", "epsilon", \.optimizer.epsilon, "Added to the root of the latter.",
            .within(Optimizer.epsilonLimit)),
        JobField(
            "optimizer", "weightDecay", \.optimizer.weightDecay,
            "Each step multiplies the weights by 1 - learning rate x this.", .notNegative),
        JobField(
            "optimizer", "clipNorm", \.optimizer.clipNorm,
            "Largest L2 norm of the gradient, to which a larger one is scaled down; nothing: no limit.", .positive),
    ]

    private static let emaFields: [JobField] = [
        JobField("ema", "decay", \.ema.decay, "Weight of the old average in each step.", .fraction),
        JobField(
            "ema", "warmup", \.ema.warmup,
            "Step s uses min(decay, (1 + s) / (10 + s)), which forgets the initial weights sooner."),
    ]

    private static let validationFields: [JobField] = [
        JobField(
            "validation", "path", \.validation.path,
            "Base path of a data set that is not trained on, like `data.path`; nothing: no validation.",
            onResume: .free),
        JobField(
            "validation", "every", \.validation.every, "Steps between validations.", .atLeast(1), onResume: .free),
        JobField(
            "validation", "batches", \.validation.batches, "Global batches of held-out samples in each.",
            .within(Validation.batchesLimit), onResume: .free),
    ]

    private static let checkpointFields: [JobField] = [
        JobField(
            "checkpoint", "every", \.checkpoint.every,
            "Steps between checkpoints; 0: only at the end, where no copy is taken.", .atLeast(0), onResume: .free),
        JobField(
            "checkpoint", "background", \.checkpoint.background,
            "Whether training goes on while one is written, from a copy of weights, average and moments in memory; otherwise it waits, without a copy.",
            onResume: .free),
        JobField(
            "checkpoint", "keepLast", \.checkpoint.keepLast, "The latest checkpoints that stay; 0: all.", .atLeast(0),
            onResume: .free),
        JobField(
            "checkpoint", "keepEvery", \.checkpoint.keepEvery,
            "With `keepLast`: those stay, too, whose step is a multiple of this; 0: none for that reason.", .atLeast(0),
            onResume: .free),
    ]

    private static let samplingFields: [JobField] = [
        JobField(
            "sampling", "sampler", \.sampling.sampler.orAutomatic, "auto: flow for target flow, otherwise ddpm.",
            onResume: .free),
        JobField(
            "sampling", "respacing", \.sampling.respacing,
            "Number of steps; or `ddimN` for equal strides; or numbers for equal parts of the schedule, such as `10,15,25`; `\"\"`: all.",
            onResume: .free),
        JobField(
            "sampling", "iterations", \.sampling.iterations, "FPDM: iterations of a step, on average.",
            .within(IterationAllocation.iterationsLimit), onResume: .free),
        JobField(
            "sampling", "allocation", \.sampling.allocation,
            "FPDM: how they are spread over the steps; increasing: more near the end.", onResume: .free),
        JobField(
            "sampling", "iterationList", \.sampling.iterationList,
            "FPDM: iterations of every step in sampling order, such as `[4, 4, 8, 12]`, in place of `iterations` and `allocation`.",
            .each(in: IterationAllocation.iterationsLimit), onResume: .free),
        JobField(
            "sampling", "tolerance", \.sampling.tolerance,
            "FPDM, adaptive: a step's solve ends for an image once the norm of f(z) - z over that of z is less; what that leaves of its "
                + "iterations goes to later steps. 0: all are made.",
            .within(SolveControl.toleranceLimit), onResume: .free),
        JobField(
            "sampling", "solver", \.sampling.solver,
            "FPDM: how a solve goes on: iteration, from f(z); anderson, from a combination of the latest f(z), by Anderson "
                + "acceleration.", onResume: .free),
        JobField(
            "sampling", "solverMemory", \.sampling.solverMemory,
            "Solver anderson: how many states it combines at most.", .within(SolveMethod.memoryLimit), onResume: .free),
        JobField(
            "sampling", "reuseSolution", \.sampling.reuseSolution,
            "FPDM: start each step's solve from the solution of the step before.", onResume: .free),
        JobField(
            "sampling", "eta", \.sampling.eta, "Sampler ddim: 0 adds no noise, 1 as much as ddpm.",
            .within(Sampler.etaLimit),
            onResume: .free),
        JobField(
            "sampling", "guidance", \.sampling.guidance, "Scale of classifier-free guidance; 1: none.",
            .within(Guidance.scaleLimit),
            onResume: .free),
        JobField(
            "sampling", "guidedChannels", \.sampling.guidedChannels,
            "How many channels, from the first, guidance acts on; nothing: all. Published results: 3.", .atLeast(1),
            onResume: .free),
        JobField(
            "sampling", "guidanceInterval", \.sampling.guidanceInterval,
            "Training steps within which guidance acts, such as `[100, 700]`; nothing: all.", onResume: .free),
        JobField(
            "sampling", "clip", \.sampling.clip, "Clamp the predicted clean image to [-1, 1] in each step.",
            onResume: .free),
        JobField("sampling", "batch", \.sampling.batch, "Images made at once.", .atLeast(1), onResume: .free),
    ]
}
