extension JobConfiguration {
    /// What keeps this job from going on where a run of another one stopped: the changes that would give other bits
    /// than the recorded job, run without a stop. One line each, with key, recorded and new value.
    ///
    /// `auto` agrees with whatever was recorded: see `keepingChoices(of:)`.
    public func changesForbiddenOnResume(from recorded: JobConfiguration) -> [String] {
        let new = keepingChoices(of: recorded)
        return Self.fields.compactMap { field in
            let old = field.value(in: recorded)
            let value = field.value(in: self)
            let change = "\(field.name): recorded \(old), now \(value)"
            switch field.onResume {
            case .free:
                return nil
            case .grows where recorded.training.steps > training.steps:
                return "\(change); it may only grow"
            case .grows where recorded.training.steps < training.steps && decaysTowardsTheEnd:
                return "\(change); the learning rates of schedule \(optimizer.schedule.yaml) depend on it, since "
                    + "optimizer.decaySteps is auto"
            case .grows:
                return nil
            case .fixed where field.name == "training.microbatch":
                return recorded.training.microbatchSize == new.training.microbatchSize ? nil : change
            case .fixed:
                return old == field.value(in: new) ? nil : change
            }
        }
    }

    private var decaysTowardsTheEnd: Bool { optimizer.schedule != .constant && optimizer.decaySteps == 0 }

    /// This job with every `auto` that decides about bits replaced by what a run recorded.
    public func keepingChoices(of recorded: JobConfiguration) -> JobConfiguration {
        var job = self
        if job.training.microbatch == 0 { job.training.microbatch = recorded.training.microbatch }
        if job.training.activations == .auto { job.training.activations = recorded.training.activations }
        return job
    }
}
