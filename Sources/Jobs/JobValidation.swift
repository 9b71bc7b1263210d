import Diffusion

extension JobConfiguration {
    /// Everything that is wrong with this job, each with its remedy; empty when it can be run.
    /// At most one problem for each field. Neither files nor ranks are looked at.
    public var problems: [JobProblem] {
        let single = fieldProblems
        var found = single
        func add(_ key: String, _ message: String) {
            if !found.contains(where: { $0.key == key }) { found.append(JobProblem(key: key, message: message)) }
        }
        // A section whose single values are sound is looked at as a whole.
        func sound(_ sections: String...) -> Bool {
            !single.contains { problem in sections.contains { problem.key.hasPrefix("\($0).") } }
        }
        if sound("model") {
            for problem in model.problems { add("model.\(problem.field)", problem.message) }
        }
        if sound("model", "diffusion") {
            for problem in diffusion.problems(learnSigma: model.learnSigma) {
                add("diffusion.\(problem.field)", problem.message)
            }
        }
        if sound("training") { checkBatch(add) }
        if sound("training", "optimizer") { checkLearningRate(add) }
        if sound("model", "data") { checkLabels(add) }
        if sound("model", "diffusion", "data", "sampling") { checkSampling(add) }
        return found
    }

    /// What is wrong with single values, whatever the others are.
    var fieldProblems: [JobProblem] {
        Self.fields.compactMap { field in field.check(self).map { JobProblem(key: field.name, message: $0) } }
    }

    /// What keeps this job from running on so many ranks; empty when nothing does.
    public func problems(forRanks ranks: Int) -> [JobProblem] {
        let shards = training.virtualRanks
        guard ranks < 1 || shards % ranks != 0 || ranks & (ranks - 1) != 0 else { return [] }
        var counts = [1]
        while let last = counts.last, 2 * last <= shards { counts.append(2 * last) }
        var message = "\(ranks) ranks cannot share \(shards) gradient shards equally in one fixed tree; "
        message += "use \(counts.map(String.init).joined(separator: ", ")) ranks"
        if ranks > shards { message += ", or more shards in a new run" }
        return [JobProblem(key: "training.virtualRanks", message: message)]
    }

    private typealias Add = (_ key: String, _ message: String) -> Void

    private func checkBatch(_ add: Add) {
        let (batch, shards) = (training.globalBatch, training.virtualRanks)
        if shards & (shards - 1) != 0 {
            var lower = 1
            while 2 * lower < shards { lower *= 2 }
            add("training.virtualRanks", "must be a power of two, is \(shards); use \(lower) or \(2 * lower)")
        } else if batch % shards != 0 {
            let lower = batch / shards * shards
            let choices = lower > 0 ? "\(lower) or \(lower + shards)" : "\(shards)"
            add(
                "training.globalBatch",
                "\(shards) gradient shards do not divide \(batch); use a multiple of \(shards) such as \(choices), "
                    + "or other training.virtualRanks")
        } else if training.microbatch > training.shardSize {
            add(
                "training.microbatch",
                "\(training.microbatch) is more than the \(training.shardSize) samples of a gradient shard "
                    + "(globalBatch / virtualRanks); use at most that, or auto")
        }
    }

    private func checkLearningRate(_ add: Add) {
        if optimizer.schedule == .constant, optimizer.decaySteps != 0 {
            add(
                "optimizer.decaySteps",
                "schedule constant does not decay; set optimizer.schedule to cosine or linear, or leave this out")
        }
        if optimizer.schedule == .constant, optimizer.finalLearningRate != 0 {
            add(
                "optimizer.finalLearningRate",
                "schedule constant has no final learning rate; set optimizer.schedule to cosine or linear, or leave "
                    + "this out")
        }
    }

    private func checkLabels(_ add: Add) {
        if model.conditioning == .none, data.labelDropout > 0 {
            add("data.labelDropout", "model.conditioning none has no labels to drop; set it to 0 or leave it out")
        }
    }

    private func checkSampling(_ add: Add) {
        if sampling.guidance != 1 {
            if model.conditioning == .none {
                add("sampling.guidance", "model.conditioning none has nothing to guide by; set it to 1 or leave it out")
            } else if data.labelDropout == 0 {
                add(
                    "sampling.guidance",
                    "needs a network that also learns without labels; set data.labelDropout to 0.1, say, or guidance to 1"
                )
            }
        }
        if let guided = sampling.guidedChannels, guided > model.channels {
            add(
                "sampling.guidedChannels",
                "\(guided) is more than model.channels: \(model.channels); leave it out for all")
        }
        if sampling.eta != 0, sampler != .ddim {
            add(
                "sampling.eta",
                "sampler \(sampler.yaml) has no such choice; set sampling.sampler: ddim, or eta to 0")
        }
        if (sampler == .flow) != (diffusion.target == .flow) {
            add(
                "sampling.sampler",
                "sampler \(sampler.yaml) does not fit diffusion.target: \(diffusion.target.yaml); use auto")
        }
        do {
            _ = try Respacing.timesteps(total: diffusion.steps, sampling.respacing)
        } catch {
            add("sampling.respacing", "\(error)")
        }
    }
}
