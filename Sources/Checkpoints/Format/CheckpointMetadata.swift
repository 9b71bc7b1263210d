import Foundation

/// What a checkpoint says of itself besides its tensors.
public struct CheckpointMetadata: Codable, Equatable, Sendable {
    /// Steps done.
    public var step: Int
    /// The whole job with every choice made, as `JobConfiguration.yaml()` prints it.
    public var jobYAML: String
    /// Ranks that trained.
    public var worldSize: Int
    /// The hosts they ran on, without repetition.
    public var hosts: [String]
    /// Of the program.
    public var version: String
    /// When it was written: ISO 8601, in UTC.
    public var created: String
    /// What else decides about bits and speed: precision, backend, threads and the like.
    public var environment: [String: String]

    public init(
        step: Int, jobYAML: String, worldSize: Int, hosts: [String], version: String,
        created: String = CheckpointMetadata.now(), environment: [String: String] = [:]
    ) {
        self.step = step
        self.jobYAML = jobYAML
        self.worldSize = worldSize
        self.hosts = hosts
        self.version = version
        self.created = created
        self.environment = environment
    }

    /// The present moment as `created` has it, to the second.
    public static func now() -> String { Date.now.formatted(.iso8601) }
}
