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
    private let input: FloatBuffer  // [rows, widest]
    private let output: FloatBuffer
    private var candidates: [Candidate]
    private let clock = ContinuousClock()

    public init(_ engine: Engine, _ model: ModelConfiguration) {
        self.engine = engine
        let (width, panel) = (model.width, model.cut.panelRows)
        self.panel = panel
        let shapes = [(width, 3 * width), (width, 4 * width), (4 * width, width)].flatMap { inputs, outputs in
            [(inputs, outputs, true), (outputs, inputs, false)]
        }
        (arena, (input, output, candidates)) = Arena.build("best product") { arena in
            (
                arena.take(Self.rows * 4 * width), arena.take(Self.rows * 4 * width),
                shapes.map { inputs, outputs, transposed in
                    Candidate(
                        weight: PackedWeight(
                            engine, arena, inputs: inputs, outputs: outputs, transposed: transposed,
                            stride: transposed ? inputs : outputs, typicalRows: panel),
                        inputs: inputs, outputs: outputs)
                }
            )
        }
        RandomStream(seed: 1, purpose: 0).normals(into: output.base, count: output.count)
        Rows.copy(
            Matrix(output, columns: 4 * width),
            to: Matrix(UnsafeMutableRawPointer(input.base), engine.precision.element, columns: 4 * width),
            rows: Self.rows)
        for candidate in candidates {
            candidate.weight.prepare(rows: panel)
            // Of as many values as the widest layer's.
            candidate.weight.load(output.base)
        }
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
            let operations = 2 * Double(Self.rows) * Double(inputs) * Double(outputs)
            candidates[index].rates.append(Double(count) * operations / elapsed)
        }
    }

    private func run(_ candidate: Candidate) {
        let input = Matrix(
            UnsafeMutableRawPointer(input.base), engine.precision.element, columns: candidate.inputs)
        let output = Matrix(output, columns: candidate.outputs)
        engine.pool.parallelFor(Self.rows / panel) { [panel] task, worker in
            candidate.weight.multiply(
                input.from(task * panel), into: output.from(task * panel), rows: panel, worker: worker)
        }
    }

    /// FLOP/s of the fastest of them: the median of all times.
    public var flops: Double { candidates.map { $0.rates.isEmpty ? 0 : $0.rates.median }.max() ?? 0 }
}
