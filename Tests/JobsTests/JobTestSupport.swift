import Foundation
import Jobs
import TestSupport
import Testing

/// The least a job file must say.
let leastJob = "run: {directory: runs/x}\ndata: {path: data/x}\n"

func job(_ overrides: String...) throws -> JobConfiguration {
    try JobConfiguration.parse(yaml: leastJob, name: "job.yaml", overrides: overrides)
}

/// The messages with which a job is refused; empty, and a failed test, if it is not.
func refusal(
    of yaml: String, _ overrides: [String] = [], sourceLocation: SourceLocation = #_sourceLocation
) -> [String] {
    do {
        _ = try JobConfiguration.parse(yaml: yaml, name: "job.yaml", overrides: overrides)
        Issue.record("was accepted", sourceLocation: sourceLocation)
    } catch let errors as JobErrors {
        return errors.errors.map(\.description)
    } catch {
        Issue.record("\(error)", sourceLocation: sourceLocation)
    }
    return []
}
