import Foundation

/// What a checkpoint says of itself besides its tensors.
public struct CheckpointMetadata: Codable, Equatable, Sendable {
    /// The format of the checkpoint that this was read from; the latest for one to be written.
    public internal(set) var format = CheckpointIndex.formatVersion
    /// Steps done.
    public var step: Int
    /// Updates that the optimizer has applied: steps that were not skipped.
    public var updates: Int
    /// How many of the last steps were skipped, one after the other, because a value was not finite.
    public var skippedInARow: Int
    /// The whole job with every choice made, as `JobConfiguration.yaml()` prints it.
    public var jobYAML: String
    /// Deliberate changes of the job in the course of the run: JSON, an array.
    public var changes: String
    /// The fingerprint of the data set's content; empty where it is not known.
    public var dataset: String
    /// What the classes are called, by number; nil where the data set does not tell.
    public var labelNames: [String]?
    /// The exponents b of the bounds 2^b from which the grids of the sums of gradients follow, one for each parameter
    /// tensor; empty where they are not known.
    public var grids: [Int32]
    /// Of each noise level, how many of its latest losses are remembered, where training chooses levels by them; empty
    /// where not.
    public var timestepCounts: [Int32]
    /// These losses, of each level equally many places, the oldest first.
    public var timestepLosses: [Float]
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

    /// - Parameter updates: as many as steps unless told.
    public init(
        step: Int, updates: Int? = nil, skippedInARow: Int = 0, jobYAML: String, changes: String = "[]",
        dataset: String = "", labelNames: [String]? = nil, grids: [Int32] = [], timestepCounts: [Int32] = [],
        timestepLosses: [Float] = [], worldSize: Int, hosts: [String],
        version: String,
        created: String = CheckpointMetadata.now(), environment: [String: String] = [:]
    ) {
        self.step = step
        self.updates = updates ?? step
        self.skippedInARow = skippedInARow
        self.jobYAML = jobYAML
        self.changes = changes
        self.dataset = dataset
        self.labelNames = labelNames
        self.grids = grids
        self.timestepCounts = timestepCounts
        self.timestepLosses = timestepLosses
        self.worldSize = worldSize
        self.hosts = hosts
        self.version = version
        self.created = created
        self.environment = environment
    }

    /// The present moment as `created` has it, to the second.
    public static func now() -> String { Date.now.formatted(.iso8601) }
}
