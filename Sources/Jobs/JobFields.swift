import Diffusion

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
            key: "checkpoint", documentation: "When the run is saved. The last step always is.",
            fields: checkpointFields
        ),
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
            .upTo(1_024), onResume: .free),
        JobField("run", "logEvery", \.run.logEvery, "Steps between progress lines.", .atLeast(1), onResume: .free),
        JobField(
            "run", "metricsEvery", \.run.metricsEvery, "Steps between lines of `metrics.jsonl`.", .atLeast(1),
            onResume: .free),
    ]

    private static let modelFields: [JobField] = [
        JobField(
            "model", "name", \.model.sizeName,
            "Takes `depth`, `width`, `heads` and `patchSize` from a published size, `DiT-S/2` to `DiT-XL/8`; "
                + "`FPDM-XL/2` also sets `fixedPoint`. Keys written beside it win.", onResume: .free),
        JobField("model", "imageSize", \.model.imageSize, "Side of the image or latent.", .within(1...65_536)),
        JobField("model", "channels", \.model.channels, "Channels of the image or latent.", .within(1...65_536)),
        JobField(
            "model", "patchSize", \.model.patchSize, "Side of the patch that becomes a token; divides `imageSize`.",
            .within(1...65_536)),
        JobField(
            "model", "width", \.model.width, "Width of a token; a multiple of 4 and of `heads`.", .within(1...65_536)),
        JobField("model", "depth", \.model.depth, "Blocks of a DiT; an FPDM ignores it.", .within(0...65_536)),
        JobField("model", "heads", \.model.heads, "Attention heads.", .within(1...65_536)),
        JobField(
            "model", "mlpRatio", \.model.mlpRatio, "Hidden width of the MLP over `width`.", .positive(upTo: 1024)),
        JobField(
            "model", "conditioning", \.model.conditioning,
            "What an image is conditioned on: an integer label, a vector of floats, or nothing."),
        JobField(
            "model", "classes", \.model.classes, "Number of classes, or length of the label vector.",
            .within(0...16_777_216)),
        JobField(
            "model", "learnSigma", \.model.learnSigma, "Whether the network also predicts the variance (2102.09672)."),
        JobField("model", "fixedPoint", \.model.fixedPoint, "An FPDM rather than a DiT."),
        JobField(
            "model", "preDepth", \.model.preDepth, "FPDM: blocks before the fixed point.", .within(0...65_536)),
        JobField(
            "model", "postDepth", \.model.postDepth, "FPDM: blocks after the fixed point.", .within(0...65_536)),
        JobField(
            "model", "prePostTimestepConditioning", \.model.prePostTimestepConditioning,
            "FPDM: whether those blocks and the final layer see the timestep, or the label only."),
    ]

    private static let diffusionFields: [JobField] = [
        JobField("diffusion", "schedule", \.diffusion.schedule, "How the noise grows."),
        JobField("diffusion", "steps", \.diffusion.steps, "Number of noise levels.", .within(2...1_000_000)),
        JobField(
            "diffusion", "zeroTerminalSNR", \.diffusion.zeroTerminalSNR,
            "Rescales the schedule so that its last step is pure noise (2305.08891); not with target eps."),
        JobField(
            "diffusion", "target", \.diffusion.target,
            "What the network predicts: the noise, v, the clean image, or the velocity of a straight path."),
        JobField(
            "diffusion", "weighting", \.diffusion.weighting,
            "Target v: weight of the error of the clean image; `snr+1` is the plain error of v."),
    ]

    private static let dataFields: [JobField] = [
        JobField(
            "data", "path", \.data.path,
            "Base path of the data set: `data/digits` means `data/digits-00000-of-00002.h5` and so on.", required: true,
            onResume: .free),
        JobField("data", "shuffle", \.data.shuffle, "Whether each epoch has an order of its own."),
        JobField(
            "data", "horizontalFlip", \.data.horizontalFlip, "Whether samples are mirrored with probability one half."),
        JobField(
            "data", "labelDropout", \.data.labelDropout,
            "Probability that a sample's label is dropped; guidance needs some. 0 where there are no labels.", .fraction
        ),
    ]

    private static let trainingFields: [JobField] = [
        JobField(
            "training", "steps", \.training.steps, "Steps of the whole run.", .within(1...4_294_967_295),
            onResume: .grows),
        JobField(
            "training", "globalBatch", \.training.globalBatch, "Samples of a step, over all ranks.",
            .within(1...1_000_000_000)),
        JobField(
            "training", "virtualRanks", \.training.virtualRanks,
            "Parts of the global batch whose gradients are added in one fixed tree: any power of two of ranks up to it "
                + "computes the same bits. A power of two that divides `globalBatch`.", .within(1...1_048_576)),
        JobField(
            "training", "microbatch", \.training.microbatch.orAutomatic,
            "Samples in the network at once, at most a shard; fewer take less memory. auto: a whole shard.",
            .notNegative),
        JobField(
            "training", "iterationsWithoutGradient", \.training.iterationsWithoutGradient,
            "FPDM: range of n, the iterations that only approach the fixed point; drawn once a step.", .atLeast(0)),
        JobField(
            "training", "iterationsWithGradient", \.training.iterationsWithGradient,
            "FPDM: range of m, the last iterations, which are differentiated; drawn once a step.", .atLeast(1)),
        JobField("training", "precision", \.training.precision, "Number format of the network's arithmetic."),
        JobField(
            "training", "activations", \.training.activations,
            "Activations of the m iterations: kept (faster) or recomputed (smaller); auto decides before step 0."),
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
                + "lets a run be lengthened later, or cut into pieces, to the same bits.",
            .notNegative),
        JobField(
            "optimizer", "finalLearningRate", \.optimizer.finalLearningRate,
            "cosine, linear: the last learning rate, as a fraction of the peak.", .fraction),
        JobField("optimizer", "beta1", \.optimizer.beta1, "Memory of the mean gradient.", .belowOne),
        JobField("optimizer", "beta2", \.optimizer.beta2, "Memory of the mean squared gradient.", .belowOne),
        JobField("optimizer", "epsilon", \.optimizer.epsilon, "Added to the root of the latter.", .positive),
        JobField(
            "optimizer", "weightDecay", \.optimizer.weightDecay,
            "Each step multiplies the weights by 1 - learning rate x this.", .notNegative),
    ]

    private static let emaFields: [JobField] = [
        JobField("ema", "decay", \.ema.decay, "Weight of the old average in each step.", .fraction),
        JobField(
            "ema", "warmup", \.ema.warmup,
            "Step s uses min(decay, (1 + s) / (10 + s)), which forgets the initial weights sooner."),
    ]

    private static let checkpointFields: [JobField] = [
        JobField(
            "checkpoint", "every", \.checkpoint.every, "Steps between checkpoints; 0: only at the end.", .atLeast(0),
            onResume: .free)
    ]

    private static let samplingFields: [JobField] = [
        JobField(
            "sampling", "sampler", \.sampling.sampler, "auto: flow for target flow, otherwise ddpm.", onResume: .free),
        JobField(
            "sampling", "respacing", \.sampling.respacing,
            "Number of steps; or `ddimN` for equal strides; or numbers for equal parts of the schedule, such as `10,15,25`; `\"\"`: all.",
            onResume: .free),
        JobField(
            "sampling", "iterations", \.sampling.iterations, "FPDM: iterations of a step, on average.",
            .within(1...10_000), onResume: .free),
        JobField(
            "sampling", "allocation", \.sampling.allocation,
            "FPDM: how they are spread over the steps; increasing: more near the end.", onResume: .free),
        JobField(
            "sampling", "reuseSolution", \.sampling.reuseSolution,
            "FPDM: start each step's solve from the solution of the step before.", onResume: .free),
        JobField(
            "sampling", "eta", \.sampling.eta, "Sampler ddim: 0 adds no noise, 1 as much as ddpm.", .fraction,
            onResume: .free),
        JobField(
            "sampling", "guidance", \.sampling.guidance, "Scale of classifier-free guidance; 1: none.", .notNegative,
            onResume: .free),
        JobField(
            "sampling", "guidedChannels", \.sampling.guidedChannels,
            "How many channels, from the first, guidance acts on; nothing: all. Published results: 3.", .atLeast(1),
            onResume: .free),
        JobField(
            "sampling", "clip", \.sampling.clip, "Clamp the predicted clean image to [-1, 1] in each step.",
            onResume: .free),
        JobField("sampling", "batch", \.sampling.batch, "Images made at once.", .atLeast(1), onResume: .free),
    ]
}
