import Compute
import Model

/// Puts reference cases to this build on this machine, through the kernels, backend, threads and precision that
/// training uses.
public struct Selfcheck {
    /// What became of one case.
    public struct Report: Codable, Sendable {
        public let path: String
        public let kind: String
        public let comparisons: [Comparison]
        /// Why the case could not be checked.
        public let problem: String?

        init(path: String, kind: String, comparisons: [Comparison]) {
            (self.path, self.kind, self.comparisons, problem) = (path, kind, comparisons, nil)
        }

        /// The report of a case that could not be checked, which does not pass.
        public init(path: String, kind: String, problem: String) {
            (self.path, self.kind, comparisons, self.problem) = (path, kind, [], problem)
        }

        public var passes: Bool { !comparisons.isEmpty && comparisons.allSatisfy(\.passes) }
    }

    private let engine: Engine
    private let activations: ActivationMode

    /// - Parameter activations: how the backward pass gets at its activations; both ways must pass.
    public init(engine: Engine, activations: ActivationMode = .keep) {
        self.engine = engine
        self.activations = activations
    }

    /// Checks the case at `path`.
    /// - Throws: `StorageError` for a file that is no case, `DiffusionError` for one that cannot be.
    public func run(_ path: String) throws -> Report {
        let reference = try ReferenceCase(path)
        let kind = try reference.kind()
        let comparisons =
            switch kind {
            case .step: try reference.checkStep(engine, activations: activations)
            case .training: try reference.checkTraining(engine, activations: activations)
            case .sampling: try reference.checkSampling(engine)
            case .schedule: try reference.checkSchedules()
            case .vae: try reference.checkAutoencoder(engine)
            }
        return Report(path: path, kind: kind.rawValue, comparisons: comparisons)
    }
}
