import Compute
import Model
import Reporting

/// A job with nothing left to choose: every `auto` that a run decides once is a value.
///
/// Two stay as they are: `sampling.sampler`, for whoever samples, and `optimizer.decaySteps`, whose `auto` says that
/// the decay ends with the run. Its sections read as those of the job it holds.
@dynamicMemberLookup
public struct ResolvedJob: Equatable, Sendable {
    public let configuration: JobConfiguration
    /// Samples that pass through the network at once; the last ones of a virtual rank may be fewer.
    public let microbatchSize: Int
    /// What happens to the activations of the gradient iterations between forward and backward.
    public let activations: ActivationMode
    /// The order of samples.
    public let shuffle: JobConfiguration.Data.Shuffle
    /// Number format of products.
    public let precision: Precision

    fileprivate init(
        _ configuration: JobConfiguration, microbatch: Int, activations: ActivationMode,
        shuffle: JobConfiguration.Data.Shuffle, precision: Precision
    ) {
        var configuration = configuration
        configuration.training.microbatch = microbatch
        configuration.training.activations = activations
        configuration.data.shuffle = shuffle
        configuration.training.precision = precision
        self.configuration = configuration
        microbatchSize = microbatch
        self.activations = activations
        self.shuffle = shuffle
        self.precision = precision
    }

    public subscript<Value>(dynamicMember path: KeyPath<JobConfiguration, Value>) -> Value {
        configuration[keyPath: path]
    }

    /// The whole job as YAML, which is what a run and its checkpoints record.
    public func yaml() -> String { configuration.yaml() }
}

extension JobConfiguration {
    /// This job with every choice made: as a run recorded it, or else anew.
    ///
    /// - Parameters:
    ///   - recorded: the job of the run that goes on; nil for a new run.
    ///   - shuffle: the order of samples, where neither this job nor a recorded one tells.
    ///   - precision: likewise.
    ///   - activations: chooses, where neither this job nor a recorded one has, for the job that keeps them; both modes
    ///     give the same bits, so it is a matter of memory alone.
    /// - Precondition: the steps are counted (`countingSteps`).
    public func resolved(
        recorded: ResolvedJob? = nil, shuffle: Data.Shuffle = .full, precision: Precision = .float32,
        activations: (ResolvedJob) throws -> ActivationMode
    ) rethrows -> ResolvedJob {
        precondition(training.epochs == nil, "a job whose steps are not counted")
        let kept = ResolvedJob(
            self, microbatch: microbatch(recorded: recorded), activations: .keep,
            shuffle: data.shuffle ?? recorded?.shuffle ?? shuffle,
            precision: training.precision ?? recorded?.precision ?? precision)
        return kept.with(activations: try training.activations ?? recorded?.activations ?? activations(kept))
    }

    /// Where virtual ranks have another size than recorded, a microbatch of a whole one stays a whole one.
    private func microbatch(recorded: ResolvedJob?) -> Int {
        let size = training.virtualRankSize
        var wanted = training.microbatch > 0 ? training.microbatch : size
        if training.microbatch == 0, let recorded, recorded.microbatchSize < recorded.training.virtualRankSize {
            wanted = recorded.microbatchSize
        }
        return inWholeGroups(wanted)
    }

    /// A microbatch of so many samples, or more: whole groups, so that its size changes no bits; at most a virtual rank.
    fileprivate func inWholeGroups(_ microbatch: Int) -> Int {
        let group = model.cut.groupSamples
        return min((max(microbatch, 1) + group - 1) / group * group, training.virtualRankSize)
    }
}

extension ResolvedJob {
    /// The same job with the other choice about activations, which changes no bits.
    public func with(activations: ActivationMode) -> ResolvedJob {
        ResolvedJob(
            configuration, microbatch: microbatchSize, activations: activations, shuffle: shuffle, precision: precision)
    }

    /// The same job with microbatches of so many samples, in whole groups, which changes no bits.
    public func with(microbatch: Int) -> ResolvedJob {
        ResolvedJob(
            configuration, microbatch: configuration.inWholeGroups(microbatch), activations: activations,
            shuffle: shuffle, precision: precision)
    }
}
