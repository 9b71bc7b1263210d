extension DiffusionConfiguration {
    /// Everything wrong with this configuration, each with the field at fault and a remedy: for jobs, which refuse
    /// both what cannot be computed and settings that would silently do nothing.
    ///
    /// Fields are named `target`, `weighting`, `loss`, `fixedVariance`, `zeroTerminalSNR`, `schedule` and `steps`.
    ///
    /// - Parameter unknown: fields, `learnSigma` among them, whose values say nothing, because their author's could
    ///   not be read: what depends on one of them is not judged.
    public func problems(
        learnSigma: Bool, unknown: Set<String> = []
    ) -> [(field: String, message: String)] {
        let found =
            contradictions(learnSigma: learnSigma) + (needsImages(learnSigma: learnSigma) ? [] : blindLastStep())
            + ineffectiveSettings(learnSigma: learnSigma)
        return found.filter { $0.reads.isDisjoint(with: unknown) }.map { ($0.field, $0.message) }
    }

    /// A problem, and all fields that it follows from.
    private typealias Finding = (field: String, reads: Set<String>, message: String)

    /// What cannot be computed. `Objective` and `Sampler` refuse to be made from these.
    private func contradictions(learnSigma: Bool) -> [Finding] {
        // A flow has no schedule.
        var found = impossibleSteps(scheduled: target != .flow)
        if target == .flow && learnSigma {
            found.append(
                (
                    "target", ["target", "learnSigma"],
                    "flow predicts no variance; turn learnSigma of the model off, or choose target eps, v or x0"
                ))
        }
        if target == .flow && loss.isBound {
            found.append(
                (
                    "loss", ["loss", "target"],
                    "a flow has no variational bound, which \(loss.rawValue) is; set loss: mse, or choose target eps, v "
                        + "or x0"
                ))
        }
        if needsImages(learnSigma: learnSigma) { found += blindLastStep() }
        return found
    }

    /// Whether training asks for the image that follows from the network's output: the bound does.
    private func needsImages(learnSigma: Bool) -> Bool { learnSigma || loss.isBound }

    /// A number of noise levels that no process can have, or where there is a schedule, that the linear one cannot.
    private func impossibleSteps(scheduled: Bool) -> [Finding] {
        let limit = Self.stepsLimit
        guard limit.contains(steps) else {
            return [
                (
                    "steps", ["steps"],
                    "must be from \(limit.lowerBound) to \(limit.upperBound), 1000 as published, is \(steps)"
                )
            ]
        }
        guard scheduled && schedule == .linear && steps <= 20 else { return [] }
        return [
            (
                "steps", ["steps", "schedule", "target"],
                "the linear schedule reaches beta = 1 with \(steps) noise levels; use more than 20, or the cosine "
                    + "schedule"
            )
        ]
    }

    /// A noise prediction where there is no signal: its error can be trained, but no image follows from it, so that
    /// neither a learned variance nor a sampler can be had.
    private func blindLastStep() -> [Finding] {
        guard target == .eps && zeroTerminalSNR else { return [] }
        return [
            (
                "target", ["target", "zeroTerminalSNR"],
                "with zeroTerminalSNR the last step holds no signal, so eps says nothing about the image there; "
                    + "choose target v (or x0), or turn zeroTerminalSNR off"
            )
        ]
    }

    /// Settings that nothing looks at, and that change what another target, loss or network would do.
    private func ineffectiveSettings(learnSigma: Bool) -> [Finding] {
        var found: [Finding] = []
        if target == .v && loss.isBound && weighting != DiffusionConfiguration().weighting {
            found.append(
                (
                    "weighting", ["weighting", "loss", "target"],
                    "\(weighting.rawValue) weights the squared error, of which loss \(loss.rawValue) has none; remove "
                        + "weighting, or set loss: mse"
                ))
        }
        if loss == .rescaledMSE && !learnSigma {
            found.append(
                (
                    "loss", ["loss", "learnSigma"],
                    "rescaled_mse rescales what trains learned variances, and learnSigma of the model is off; set loss: "
                        + "mse, or turn learnSigma on"
                ))
        }
        if fixedVariance != DiffusionConfiguration().fixedVariance && (learnSigma || target == .flow) {
            found.append(
                (
                    "fixedVariance", ["fixedVariance", "learnSigma", "target"],
                    target == .flow
                        ? "the steps of a flow have no variance; remove fixedVariance"
                        : "the network learns its variances; remove fixedVariance, or turn learnSigma of the model off"
                ))
        }
        if target != .v && weighting != DiffusionConfiguration().weighting {
            found.append(
                (
                    "weighting", ["weighting", "target"],
                    "\(weighting.rawValue) weights the error of target v only, and the target is "
                        + "\(target.rawValue); remove weighting, or choose target v"
                ))
        }
        if target == .flow && zeroTerminalSNR {
            found.append(
                (
                    "zeroTerminalSNR", ["zeroTerminalSNR", "target"],
                    "a flow ends in pure noise by itself; remove zeroTerminalSNR"
                ))
        }
        return found
    }

    /// Throws the first contradiction, under its field's name; for a sampler, also where no image would follow.
    func requireComputable(learnSigma: Bool, sampling: Bool = false) throws {
        let blind = sampling && !needsImages(learnSigma: learnSigma) ? blindLastStep() : []
        try refuse(contradictions(learnSigma: learnSigma) + blind)
    }

    /// Throws where the noise schedule cannot be made, whatever the network predicts.
    func requireSchedule() throws { try refuse(impossibleSteps(scheduled: true)) }

    private func refuse(_ problems: [Finding]) throws {
        if let first = problems.first { throw DiffusionError("diffusion.\(first.field): \(first.message)") }
    }
}
