import Compute
import Foundation

/// How two checkpoints differ: in tensors, step and the other numbers that training goes on from, which count, and in
/// what else they say, which does not.
public struct CheckpointDifference: Codable, Sendable {
    /// How a tensor of A stands to the one of that name in B.
    public enum Verdict: String, Codable, Sendable {
        /// All bits are equal.
        case equal
        case different
        /// The shapes differ; values are not compared.
        case shape
        case onlyInA
        case onlyInB
    }

    public struct Tensor: Codable, Sendable {
        public let group: String
        public let name: String
        public let verdict: Verdict
        /// In A; in B where A has none.
        public let shape: [Int]
        /// In B, where it differs from A's.
        public let otherShape: [Int]?
        /// Elements whose bits differ: NaN equals NaN of the same bits, 0 differs from -0.
        public let differing: Int
        /// The largest |a - b|; NaN if there is one.
        public let maximum: Double
        /// ||a - b|| / ||a||, summed in double; infinite if a is zero and b is not.
        public let relative: Double
    }

    /// What the two say of a matter other than tensors and step.
    ///
    /// Of lists and of the job, what differs.
    public struct Entry: Codable, Equatable, Sendable {
        public let name: String
        public let a: String
        public let b: String
    }

    public let pathA: String
    public let pathB: String
    public let stepA: Int
    public let stepB: Int
    public let tensors: [Tensor]
    /// Updates, skipped steps, grids and remembered losses of noise levels, where they differ.
    public let state: [Entry]
    /// World size and hosts, and whatever else is unequal.
    public let metadata: [Entry]

    /// Whether tensors, step and state are the same. Job, world size, hosts and times do not count.
    public var isEqual: Bool { stepA == stepB && state.isEmpty && tensors.allSatisfy { $0.verdict == .equal } }

    /// Compares two checkpoints, tensor by tensor; takes memory for the largest piece of each.
    ///
    /// - Throws: as ``CheckpointReader/read(group:name:rows:into:)``.
    public init(_ a: CheckpointReader, _ b: CheckpointReader) throws {
        (pathA, pathB) = (a.path, b.path)
        (stepA, stepB) = (a.metadata.step, b.metadata.step)
        state = Self.state(a.metadata, b.metadata)
        metadata = Self.metadata(a.metadata, b.metadata)
        var tensors: [Tensor] = []
        for tensor in a.index.tensors {
            guard let other = b.tensor(tensor.group, tensor.name) else {
                tensors.append(Tensor(tensor, .onlyInA))
                continue
            }
            guard tensor.shape == other.shape else {
                tensors.append(Tensor(tensor, .shape, otherShape: other.shape))
                continue
            }
            var distance = ValueDistance()
            try distance.add(PieceCursor(tensor, of: a), PieceCursor(other, of: b))
            tensors.append(Tensor(tensor, distance))
        }
        tensors += b.index.tensors.filter { a.tensor($0.group, $0.name) == nil }.map { Tensor($0, .onlyInB) }
        self.tensors = tensors
    }

    private static func state(_ a: CheckpointMetadata, _ b: CheckpointMetadata) -> [Entry] {
        func differing<Number: Equatable>(_ of: [Number], besides other: [Number]) -> String {
            let differing = of.indices.filter { $0 >= other.count || of[$0] != other[$0] }
            let more = differing.count > 3 ? " and \(differing.count - 3) more" : ""
            return differing.prefix(3).map { "\($0): \(of[$0])" }.joined(separator: ", ") + more
        }
        func entry<Number: Equatable>(_ name: String, _ a: [Number], _ b: [Number]) -> Entry {
            Entry(name: name, a: differing(a, besides: b), b: differing(b, besides: a))
        }
        return [
            Entry(name: "updates", a: String(a.updates), b: String(b.updates)),
            Entry(name: "skippedInARow", a: String(a.skippedInARow), b: String(b.skippedInARow)),
            entry("grids", a.grids, b.grids), entry("timestepCounts", a.timestepCounts, b.timestepCounts),
            entry("timestepLosses", a.timestepLosses, b.timestepLosses),
        ].filter { $0.a != $0.b }
    }

    private static func metadata(_ a: CheckpointMetadata, _ b: CheckpointMetadata) -> [Entry] {
        let linesA = a.jobYAML.split(separator: "\n")
        let linesB = b.jobYAML.split(separator: "\n")
        func lines(_ of: [Substring], besides other: [Substring]) -> String {
            let known = Set(other)
            return of.filter { !known.contains($0) }.map { $0.trimmingCharacters(in: .whitespaces) }
                .joined(separator: ", ")
        }
        let always = [
            Entry(name: "worldSize", a: String(a.worldSize), b: String(b.worldSize)),
            Entry(name: "hosts", a: a.hosts.joined(separator: " "), b: b.hosts.joined(separator: " ")),
        ]
        var metadata = [
            Entry(name: "version", a: a.version, b: b.version),
            Entry(name: "created", a: a.created, b: b.created),
            Entry(name: "format", a: String(a.format), b: String(b.format)),
            Entry(name: "dataset", a: a.dataset, b: b.dataset),
            Entry(name: "changes", a: a.changes, b: b.changes),
            Entry(name: "job", a: lines(linesA, besides: linesB), b: lines(linesB, besides: linesA)),
        ]
        for key in Set(a.environment.keys).union(b.environment.keys).sorted() {
            metadata.append(Entry(name: key, a: a.environment[key] ?? "", b: b.environment[key] ?? ""))
        }
        return always + metadata.filter { $0.a != $0.b }
    }
}

extension CheckpointDifference.Tensor {
    init(_ tensor: CheckpointIndex.Tensor, _ verdict: CheckpointDifference.Verdict, otherShape: [Int]? = nil) {
        self.init(
            group: tensor.group, name: tensor.name, verdict: verdict, shape: tensor.shape, otherShape: otherShape,
            differing: 0, maximum: 0, relative: 0)
    }

    fileprivate init(_ tensor: CheckpointIndex.Tensor, _ distance: ValueDistance) {
        self.init(
            group: tensor.group, name: tensor.name, verdict: distance.differing == 0 ? .equal : .different,
            shape: tensor.shape, otherShape: nil, differing: distance.differing, maximum: distance.maximum,
            relative: distance.relative)
    }
}

/// How far two tensors of one shape are apart, summed in the order of the values.
private struct ValueDistance {
    private(set) var differing = 0
    private(set) var maximum = 0.0
    private var squares = 0.0
    private var norm = 0.0

    var relative: Double { squares == 0 ? 0 : (squares / norm).squareRoot() }

    /// Takes both tensors whole; their pieces may be cut at other rows.
    mutating func add(_ a: consuming PieceCursor, _ b: consuming PieceCursor) throws {
        var (restOfA, restOfB): (FloatBuffer?, FloatBuffer?) = (try a.next(), try b.next())
        while let x = restOfA, let y = restOfB {
            let count = min(x.count, y.count)
            add(x.slice(0, count), y.slice(0, count))
            restOfA = count < x.count ? x.slice(count, x.count - count) : try a.next()
            restOfB = count < y.count ? y.slice(count, y.count - count) : try b.next()
        }
    }

    private mutating func add(_ a: FloatBuffer, _ b: FloatBuffer) {
        for i in 0..<a.count {
            norm += Double(a[i]) * Double(a[i])
            guard a[i].bitPattern != b[i].bitPattern else { continue }
            differing += 1
            // Equal infinities of the same sign have the same bits, so this is NaN only where a NaN is.
            let distance = abs(Double(a[i]) - Double(b[i]))
            if !(distance <= maximum) { maximum = maximum.isNaN ? maximum : distance }
            squares += distance * distance
        }
    }
}
