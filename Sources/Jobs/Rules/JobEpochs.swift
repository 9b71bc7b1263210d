import Foundation

extension JobConfiguration {
    /// This job with `training.steps` in place of `training.epochs`: as many as pass over so many samples so often, the
    /// last one perhaps going on into the next pass. A job that has steps is returned as it is.
    ///
    /// - Parameter samples: of the data set.
    /// - Throws: `JobErrors` where there are no such steps, or they do not go with the rest of the job.
    public func countingSteps(samples: Int) throws -> JobConfiguration {
        guard let epochs = training.epochs else { return self }
        let steps = (epochs * Double(samples) / Double(training.globalBatch)).rounded(.up)
        func refuse(_ key: String, _ message: String) -> JobErrors {
            JobErrors([JobError(file: "the job", key: key, message: message)])
        }
        let limit = Training.stepsLimit
        guard steps >= Double(limit.lowerBound), steps <= Double(limit.upperBound) else {
            throw refuse(
                "training.epochs",
                "\(epochs) epochs of \(samples) samples, \(training.globalBatch) a step, are \(steps) steps; a run has "
                    + "from \(limit.lowerBound) to \(limit.upperBound)")
        }
        var job = self
        job.training.epochs = nil
        job.training.steps = Int(steps)
        if let problem = job.problems.first {
            throw refuse(
                problem.key, "\(epochs) epochs of \(samples) samples are \(Int(steps)) steps: \(problem.message)")
        }
        return job
    }

    /// What `countingSteps` made of this job, for a person; nil where there was nothing to count.
    public func countNote(samples: Int, counted: JobConfiguration) -> String? {
        training.epochs.map {
            "training.epochs: \($0) epochs of \(samples) samples, \(training.globalBatch) a step, are training.steps: "
                + "\(counted.training.steps)"
        }
    }
}
