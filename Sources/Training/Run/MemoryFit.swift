import Distributed
import Jobs
import Model

/// What `auto` comes to where it is a matter of memory alone: a node has so much, and its ranks share it evenly.
struct MemoryFit {
    /// Of a node; nil where nothing tells.
    let limit: MemoryLimit?
    let ranksOnNode: Int
    /// What a job takes on a rank.
    let plan: (ResolvedJob) -> MemoryPlan

    /// A rank's share.
    var share: Int? { limit.map { $0.bytes / ranksOnNode } }

    /// Activations are kept where they take no more than a quarter of the share.
    func activations(_ job: JobConfiguration) -> ActivationMode {
        guard let share else { return .keep }
        return plan(job.resolved { .keep }).activationBytes <= share / 4 ? .keep : .recompute
    }

    /// The largest microbatch, in whole groups, that fits the share; nil where not even the smallest does.
    func largestMicrobatch(_ job: ResolvedJob) -> Int? {
        let whole = job.with(microbatch: job.training.virtualRankSize).microbatchSize
        guard let share else { return whole }
        func fits(_ microbatch: Int) -> Bool {
            let job = job.with(microbatch: microbatch)
            return MemoryPlan.isCountable(job) && plan(job).bytes <= share
        }
        let group = job.with(microbatch: 1).microbatchSize
        guard fits(group) else { return nil }
        if fits(whole) { return whole }
        // So many groups fit, so many do not.
        var (low, high) = (1, (whole + group - 1) / group)
        while high - low > 1 {
            let middle = (low + high) / 2
            if fits(middle * group) { low = middle } else { high = middle }
        }
        return low * group
    }

    /// The job with the largest microbatch that fits, where it leaves the choice; the smallest where none does.
    func fitted(_ job: ResolvedJob) -> ResolvedJob { job.with(microbatch: largestMicrobatch(job) ?? 1) }
}
