import Diffusion

extension JobConfiguration {
    /// Everything that is wrong with this job, each with its remedy; empty when it can be run.
    /// At most one problem for each field. Neither files nor ranks are looked at.
    public var problems: [JobProblem] { problems(misread: []) }

    /// Everything that is wrong with the fields whose values are their author's.
    ///
    /// How fields go together is judged only where each of them is sound by itself: a mistake in one field hides
    /// nothing about the others, and brings forth no second one.
    ///
    /// - Parameter misread: fields, or whole sections, that the author gave values which could not be read.
    func problems(misread: Set<String>) -> [JobProblem] {
        var findings = JobFindings(self, misread: misread)
        findings.addModel()
        findings.addDiffusion()
        findings.addBatch()
        findings.addLearningRate()
        findings.addLabels()
        findings.addSampling()
        return findings.problems
    }

    /// What this job would do that its author hardly wants, one line each, with key and remedy; it can be run.
    public var warnings: [String] {
        var found: [String] = []
        if optimizer.epsilon < 1e-12 {
            found.append(
                "optimizer.epsilon: \(optimizer.epsilon) is below 1e-12: weights whose gradients are nearly zero move as "
                    + "rounding in the sums of those says; use 1e-8")
        }
        if ema.decay == 1, !ema.warmup {
            found.append(
                "ema.decay: 1.0 means that the average, which is what is sampled, never moves; use 0.9999, or "
                    + "ema.warmup: true")
        }
        if checkpoint.keepEvery > 0, checkpoint.keepLast == 0 {
            found.append(
                "checkpoint.keepEvery: \(checkpoint.keepEvery) changes nothing, since checkpoint.keepLast is 0, which "
                    + "keeps all; set checkpoint.keepLast, to 3 say")
        }
        return found
    }
}

/// Problems of a job as they are found, and which fields are fit to be compared with others.
private struct JobFindings {
    private let job: JobConfiguration
    private let misread: Set<String>
    private(set) var problems: [JobProblem] = []
    /// Fields that are wrong by themselves.
    private var unfit: Set<String>

    init(_ job: JobConfiguration, misread: Set<String>) {
        self.job = job
        self.misread = misread
        unfit = []
        for field in JobConfiguration.fields {
            if misread.contains(field.section) || misread.contains(field.name) {
                unfit.insert(field.name)
            } else if let message = field.check(job) {
                problems.append(JobProblem(key: field.name, message: message))
                unfit.insert(field.name)
            }
        }
        // A name that could not be read stands for these, which may all be other than their author meant.
        if misread.contains("model.name") {
            unfit.formUnion(["model.depth", "model.width", "model.heads", "model.patchSize", "model.fixedPoint"])
        }
    }

    private mutating func add(_ key: String, or other: String? = nil, _ message: String) {
        guard !unfit.contains(key), !problems.contains(where: { $0.key == key }) else { return }
        problems.append(JobProblem(key: key, message: message, other: other))
    }

    private func fit(_ keys: String...) -> Bool { unfit.isDisjoint(with: keys) }

    /// The unfit fields of a section, by their keys.
    private func unfitKeys(of section: String) -> Set<String> {
        Set(unfit.filter { $0.hasPrefix("\(section).") }.map { String($0.dropFirst(section.count + 1)) })
    }

    mutating func addModel() {
        for problem in job.model.problems(unknown: unfitKeys(of: "model")) {
            add("model.\(problem.field)", problem.message)
        }
    }

    mutating func addDiffusion() {
        var unknown = unfitKeys(of: "diffusion")
        if !fit("model.learnSigma") { unknown.insert("learnSigma") }
        for problem in job.diffusion.problems(learnSigma: job.model.learnSigma, unknown: unknown) {
            add("diffusion.\(problem.field)", problem.message)
        }
    }

    mutating func addBatch() {
        let training = job.training
        let (batch, count) = (training.globalBatch, training.virtualRanks)
        guard fit("training.globalBatch", "training.virtualRanks") else { return }
        guard batch % count == 0 else {
            let limit = JobConfiguration.Training.virtualRanksLimit
            let counts = limit.filter { batch % $0 == 0 }
            let lower = batch / count * count
            let nearCounts = [counts.last { $0 < count }, counts.first { $0 > count }].compactMap { $0?.yaml }
            let nearBatches = [lower, lower + count].filter(JobConfiguration.Training.globalBatchLimit.contains)
            add(
                "training.globalBatch", or: "training.virtualRanks",
                "\(count) virtual ranks do not divide a global batch of \(batch); use \(inWords(nearCounts)) virtual "
                    + "ranks, or a batch of \(inWords(nearBatches.map(\.yaml)))")
            return
        }
        if fit("training.microbatch"), training.microbatch > training.virtualRankSize {
            add(
                "training.microbatch", or: "training.virtualRanks",
                "\(training.microbatch) is more than the \(training.virtualRankSize) samples of a virtual rank "
                    + "(globalBatch / virtualRanks); use at most that, or auto")
        }
    }

    mutating func addLearningRate() {
        let optimizer = job.optimizer
        guard fit("optimizer.schedule") else { return }
        guard optimizer.schedule != .constant else {
            if optimizer.decaySteps != 0 {
                add(
                    "optimizer.decaySteps",
                    "schedule constant does not decay; set optimizer.schedule to cosine or linear, or leave this out")
            }
            if optimizer.finalLearningRate != 0 {
                add(
                    "optimizer.finalLearningRate",
                    "schedule constant has no final learning rate; set optimizer.schedule to cosine or linear, or "
                        + "leave this out")
            }
            return
        }
        guard fit("optimizer.decaySteps", "optimizer.finalLearningRate", "training.steps") else { return }
        // Steps that are yet to be counted are judged when they are.
        if job.training.epochs == nil, optimizer.decaySteps > 0, optimizer.finalLearningRate == 0,
            job.training.steps > optimizer.decaySteps
        {
            add(
                "training.steps", or: "optimizer.decaySteps",
                "from step \(optimizer.decaySteps) on the learning rate would be 0, and there are "
                    + "\(job.training.steps) steps; set training.steps to at most optimizer.decaySteps, or "
                    + "optimizer.finalLearningRate above 0, or optimizer.decaySteps to auto")
        }
    }

    mutating func addLabels() {
        guard fit("model.conditioning", "data.labelDropout") else { return }
        if job.model.conditioning == .none, job.data.labelDropout > 0 {
            add("data.labelDropout", "model.conditioning none has no labels to drop; set it to 0 or leave it out")
        }
    }

    mutating func addSampling() {
        addGuidance()
        let (sampling, sampler) = (job.sampling, job.sampler)
        if fit("sampling.sampler", "diffusion.target") {
            if sampling.eta != 0, sampler != .ddim {
                add(
                    "sampling.eta",
                    "sampler \(sampler.yaml) has no such choice; set sampling.sampler: ddim, or eta to 0")
            }
            if sampler.followsVelocity != (job.diffusion.target == .flow) {
                add(
                    "sampling.sampler",
                    "sampler \(sampler.yaml) does not fit diffusion.target: \(job.diffusion.target.yaml); use auto")
            }
        }
        if fit("sampling.respacing", "diffusion.steps") {
            do {
                let steps = try Respacing.timesteps(total: job.diffusion.steps, sampling.respacing).count
                addIterationList(steps: steps)
            } catch {
                add("sampling.respacing", "\(error)")
            }
        }
    }

    private mutating func addIterationList(steps: Int) {
        guard let list = job.sampling.iterationList, list.count != steps else { return }
        add(
            "sampling.iterationList", or: "sampling.respacing",
            "\(list.count) counts of iterations for \(steps) sampling steps; give one for each, or set sampling.respacing"
        )
    }

    private mutating func addGuidance() {
        let (sampling, model) = (job.sampling, job.model)
        if sampling.guidance != 1, fit("model.conditioning") {
            if model.conditioning == .none {
                add("sampling.guidance", "model.conditioning none has nothing to guide by; set it to 1 or leave it out")
            } else if fit("data.labelDropout"), job.data.labelDropout == 0 {
                add(
                    "sampling.guidance",
                    "needs a network that also learns without labels; set data.labelDropout to 0.1, say, or guidance to 1"
                )
            }
        }
        if let interval = sampling.guidanceInterval, fit("diffusion.steps") {
            let last = job.diffusion.steps - 1
            if interval.lowest < 0 || interval.lowest > interval.highest || interval.highest > last {
                add(
                    "sampling.guidanceInterval",
                    "[\(interval.lowest), \(interval.highest)] is no range of training steps, which go from 0 to \(last)"
                )
            }
        }
        if let guided = sampling.guidedChannels, fit("model.channels"), guided > model.channels {
            add(
                "sampling.guidedChannels",
                "\(guided) is more than model.channels: \(model.channels); leave it out for all")
        }
    }
}
