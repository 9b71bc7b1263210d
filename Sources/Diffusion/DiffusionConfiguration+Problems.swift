extension DiffusionConfiguration {
    /// Everything wrong with this configuration, each with the field at fault and a remedy: for jobs, which refuse
    /// both what cannot be computed and settings that would silently do nothing.
    ///
    /// Fields are named `target`, `weighting`, `zeroTerminalSNR`, `schedule` and `steps`.
    public func problems(learnSigma: Bool) -> [(field: String, message: String)] {
        contradictions(learnSigma: learnSigma) + ineffectiveSettings()
    }

    /// What cannot be computed. `Objective` and `Sampler` refuse to be made from these.
    public func contradictions(learnSigma: Bool) -> [(field: String, message: String)] {
        var found: [(field: String, message: String)] = []
        if steps < 2 {
            found.append(("steps", "\(steps) noise levels are too few; use 2 or more, 1000 as published"))
        } else if target != .flow && schedule == .linear && steps <= 20 {
            found.append(
                (
                    "steps",
                    "the linear schedule reaches beta = 1 with \(steps) noise levels; use more than 20, "
                        + "or the cosine schedule"
                ))
        }
        if target == .flow && learnSigma {
            found.append(
                (
                    "target",
                    "flow predicts no variance; turn learnSigma of the model off, or choose target eps, v or x0"
                ))
        }
        if target == .eps && zeroTerminalSNR {
            found.append(
                (
                    "target",
                    "with zeroTerminalSNR the last step holds no signal, so eps says nothing about the image there; "
                        + "choose target v (or x0), or turn zeroTerminalSNR off"
                ))
        }
        return found
    }

    /// Settings that the chosen target never looks at.
    private func ineffectiveSettings() -> [(field: String, message: String)] {
        var found: [(field: String, message: String)] = []
        if target != .v && weighting != DiffusionConfiguration().weighting {
            found.append(
                (
                    "weighting",
                    "\(weighting.rawValue) weights the error of target v only, and the target is "
                        + "\(target.rawValue); remove weighting, or choose target v"
                ))
        }
        if target == .flow && zeroTerminalSNR {
            found.append(("zeroTerminalSNR", "a flow ends in pure noise by itself; remove zeroTerminalSNR"))
        }
        if target == .flow && schedule != DiffusionConfiguration().schedule {
            found.append(("schedule", "a flow follows straight paths and has no schedule; remove schedule"))
        }
        return found
    }

    /// Throws the first contradiction, under its field's name.
    func requireComputable(learnSigma: Bool) throws {
        if let first = contradictions(learnSigma: learnSigma).first {
            throw DiffusionError("diffusion.\(first.field): \(first.message)")
        }
    }
}
