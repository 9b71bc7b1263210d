import Compute
import Model

/// How fast the best product with packed weights is among those of a network's layers: what a step is held against.
///
/// Measured now and again, in turn with what it is compared to: processors change their speed from minute to minute.
public final class BestProduct {
    private struct Candidate {
        let weight: PackedWeight
        let inputs, outputs: Int
        /// FLOP/s, of each time it was measured.
        var rates: [Double] = []
    }

    private static let rows = 2048

    private let engine: Engine
    private let panel: Int
    private let arena: Arena
    private let input, output: FloatBuffer  // [rows, 4 D], or fewer columns
    private var candidates: [Candidate]
    private let clock = ContinuousClock()

    /// - Parameter model: of width D, whose layers' products are measured.
    public init(_ engine: Engine, _ model: ModelConfiguration) {
        self.engine = engine
        panel = model.cut.fullPanelRows
        let width = model.width
        let weights: FloatBuffer
        (arena, (input, output, weights, candidates)) = Arena.build("best product") {
            Self.memory($0, engine, model)
        }
        let random = RandomStream(seed: 1, purpose: 0)
        random.normals(into: output.base, count: output.count)
        random.normals(into: weights.base, count: weights.count)
        Rows.copy(
            Matrix(output, columns: 4 * width),
            to: Matrix(UnsafeMutableRawPointer(input.base), engine.precision.element, columns: 4 * width),
            rows: Self.rows)
        for candidate in candidates {
            candidate.weight.prepare(rows: panel)
            candidate.weight.load(weights.base)
        }
    }

    /// Bytes of memory that one takes.
    public static func bytes(_ engine: Engine, _ model: ModelConfiguration) -> Int {
        Arena.measure("best product") { _ = memory($0, engine, model) } * MemoryLayout<Float>.stride
    }

    private static func memory(
        _ arena: Arena, _ engine: Engine, _ model: ModelConfiguration
    ) -> (FloatBuffer, FloatBuffer, FloatBuffer, [Candidate]) {
        let width = model.width
        let shapes = [(width, 3 * width), (width, 4 * width), (4 * width, width)].flatMap { inputs, outputs in
            [(inputs, outputs, true), (outputs, inputs, false)]
        }
        return (
            arena.take(rows * 4 * width), arena.take(rows * 4 * width), arena.take(4 * width * width),
            shapes.map { inputs, outputs, transposed in
                Candidate(
                    weight: PackedWeight(
                        engine, arena, inputs: inputs, outputs: outputs, transposed: transposed,
                        stride: transposed ? inputs : outputs, typicalRows: model.cut.fullPanelRows),
                    inputs: inputs, outputs: outputs)
            }
        )
    }

    /// Runs each product for so many seconds.
    public func measure(seconds: Double) {
        for index in candidates.indices {
            let (inputs, outputs) = (candidates[index].inputs, candidates[index].outputs)
            run(candidates[index])
            let begin = clock.now
            var (count, elapsed) = (0, 0.0)
            repeat {
                run(candidates[index])
                count += 1
                elapsed = (clock.now - begin).seconds
            } while elapsed < seconds
            let operations = 2 * Double(panels * panel) * Double(inputs) * Double(outputs)
            candidates[index].rates.append(Double(count) * operations / elapsed)
        }
    }

    private var panels: Int { Self.rows / panel }

    private func run(_ candidate: Candidate) {
        let input = Matrix(
            UnsafeMutableRawPointer(input.base), engine.precision.element, columns: candidate.inputs)
        let output = Matrix(output, columns: candidate.outputs)
        engine.pool.parallelFor(panels) { [panel] task, worker in
            candidate.weight.multiply(
                input.from(task * panel), into: output.from(task * panel), rows: panel, worker: worker)
        }
    }

    /// FLOP/s of the fastest of them: the median of all times.
    public var flops: Double { candidates.map { $0.rates.isEmpty ? 0 : $0.rates.median }.max() ?? 0 }
}
