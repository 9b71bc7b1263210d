import Jobs

/// The least a job file must say.
public let leastJob = "run: {directory: runs/x}\ndata: {path: data/x}\n"

public func job(_ overrides: String...) throws -> JobConfiguration {
    try JobConfiguration.parse(yaml: leastJob, name: "job.yaml", overrides: overrides)
}
