extension DiffusionConfiguration {
    /// Everything wrong with this configuration, each with the field at fault and a remedy: for jobs, which refuse
    /// both what cannot be computed and settings that would silently do nothing.
    ///
    /// Fields are named `target`, `weighting`, `zeroTerminalSNR`, `schedule` and `steps`.
    ///
    /// - Parameter unknown: fields, `learnSigma` among them, whose values say nothing, because their author's could
    ///   not be read: what depends on one of them is not judged.
    public func problems(
        learnSigma: Bool, unknown: Set<String> = []
    ) -> [(field: String, message: String)] {
        let found = contradictions(learnSigma: learnSigma) + (learnSigma ? [] : blindLastStep()) + ineffectiveSettings()
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
        if learnSigma { found += blindLastStep() }
        return found
    }

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

    /// Settings that the chosen target never looks at, and that change what another would do.
    private func ineffectiveSettings() -> [Finding] {
        var found: [Finding] = []
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
        let blind = sampling && !learnSigma ? blindLastStep() : []
        try refuse(contradictions(learnSigma: learnSigma) + blind)
    }

    /// Throws where the noise schedule cannot be made, whatever the network predicts.
    func requireSchedule() throws { try refuse(impossibleSteps(scheduled: true)) }

    private func refuse(_ problems: [Finding]) throws {
        if let first = problems.first { throw DiffusionError("diffusion.\(first.field): \(first.message)") }
    }
}
