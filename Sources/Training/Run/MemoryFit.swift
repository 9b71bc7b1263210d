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

    /// Activations are kept where that is affordable: where the microbatch is open, too, with the smallest one, a group,
    /// which costs less than recomputing. A backward pass takes a group at a time anyway, and a forward pass has finer
    /// panels where there are few.
    ///
    /// - Parameters:
    ///   - kept: the job that keeps them.
    ///   - given: the job before its choices were made.
    func activations(_ kept: ResolvedJob, given: JobConfiguration) -> ActivationMode {
        let least = given.training.microbatch == 0 ? kept.with(microbatch: 1) : kept
        return canAfford(plan(least)) ? .keep : .recompute
    }

    /// Whether all fits the share, and activations take no more than a quarter of it.
    private func canAfford(_ plan: MemoryPlan) -> Bool {
        share.map { plan.bytes <= $0 && plan.activationBytes <= $0 / 4 } ?? true
    }

    /// The largest microbatch, in whole groups, that fits the share; nil where not even the smallest does.
    ///
    /// - Parameter keepsByChoice: whether activations are kept because that is affordable, which is then to stay so.
    func largestMicrobatch(_ job: ResolvedJob, keepsByChoice: Bool = false) -> Int? {
        let whole = job.with(microbatch: job.training.virtualRankSize).microbatchSize
        guard let share else { return whole }
        func fits(_ microbatch: Int) -> Bool {
            let job = job.with(microbatch: microbatch)
            guard MemoryPlan.isCountable(job) else { return false }
            return keepsByChoice ? canAfford(plan(job)) : plan(job).bytes <= share
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

    /// The job with the largest microbatch that fits, where it was given none; the smallest where none does.
    ///
    /// - Parameter given: the job before its choices were made.
    func fitted(_ job: ResolvedJob, given: JobConfiguration) -> ResolvedJob {
        guard given.training.microbatch == 0 else { return job }
        let keepsByChoice = given.training.activations == nil && job.activations == .keep
        let largest = largestMicrobatch(job, keepsByChoice: keepsByChoice) ?? largestMicrobatch(job)
        return job.with(microbatch: largest ?? 1)
    }
}
