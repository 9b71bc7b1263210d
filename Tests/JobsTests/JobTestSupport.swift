import Foundation
import Jobs
import TestSupport
import Testing

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
