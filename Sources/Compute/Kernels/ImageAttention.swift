/// Softmax attention of every pixel of an image to every other, in one head as wide as the channels.
///
/// Queries go in blocks, each a task, whose scores [block, pixels] stay in the cache: 64 x 64 pixels take a mebibyte a
/// thread, where all scores would take 64.
public final class ImageAttention {
    private let engine: Engine
    private let channels: Int
    /// That products multiply.
    private let element: Element
    private var prepared: Prepared?

    private static let block = 64

    private struct Prepared {
        let pixels: Int
        let arena: Arena
        let keys, values: PackedWeight
        /// For each thread.
        let scratch: [Scratch]
    }

    private struct Scratch {
        let queries, probabilities: Matrix
        let scores, output, reciprocals: FloatBuffer
    }

    public init(_ engine: Engine, channels: Int) {
        self.engine = engine
        self.channels = channels
        element = engine.backend.imageElement(engine.precision)
    }

    public var bytes: Int { prepared?.arena.bytes ?? 0 }

    /// Replaces the queries of each sample by what they attend to. All maps have the same shape.
    public func run(queries: FeatureMap, keys: FeatureMap, values: FeatureMap) {
        let prepared = prepare(queries.pixels)
        // Only their memory is looked at below.
        defer { withExtendedLifetime((queries, keys, values)) {} }
        for sample in 0..<queries.samples {
            engine.pool.parallelFor(2) { part, _ in
                if part == 0 {
                    prepared.keys.load(keys.sample(sample))
                } else {
                    prepared.values.load(values.sample(sample))
                }
            }
            let rows = Matrix(queries.sample(sample), .float32, columns: channels)
            engine.pool.parallelRanges(prepared.pixels, grain: Self.block) { range, worker in
                let s = prepared.scratch[worker]
                Rows.copy(rows.from(range.lowerBound), to: s.queries, rows: range.count)
                let scores = Matrix(s.scores, columns: prepared.pixels)
                let output = Matrix(s.output, columns: channels)
                prepared.keys.multiply(s.queries, into: scores, rows: range.count, worker: worker)
                softmax(s, rows: range.count, pixels: prepared.pixels)
                prepared.values.multiply(s.probabilities, into: output, rows: range.count, worker: worker)
                for row in 0..<range.count {
                    let factor = Vector(repeating: s.reciprocals[row])
                    let (x, y) = (output.floats(row), rows.floats(range.lowerBound + row))
                    for (i, n) in vectors(channels) { store(load(x + i, n) * factor, y + i, n) }
                }
            }
        }
    }

    private func softmax(_ s: Scratch, rows: Int, pixels: Int) {
        let scale = 1 / Float(channels).squareRoot()
        func run<E: StoredElement>(_: E.Type) {
            Softmax.forward(
                E.self, s.scores.base, probabilities: s.probabilities.base, bytes: element.bytes,
                reciprocals: s.reciprocals.base, logSums: nil, rows: rows, columns: pixels, scale: scale)
        }
        switch element {
        case .float32: run(StoredFloat32.self)
        case .bfloat16: run(StoredBFloat16.self)
        }
    }

    private func prepare(_ pixels: Int) -> Prepared {
        if let prepared, prepared.pixels == pixels { return prepared }
        let (engine, channels) = (engine, channels)
        let (block, element) = (min(Self.block, pixels), element)
        let (arena, (keys, values, scratch)) = Arena.build("image attention") { arena in
            (
                PackedWeight(
                    engine, arena, inputs: channels, outputs: pixels, transposed: true, stride: channels,
                    typicalRows: block, element: element),
                PackedWeight(
                    engine, arena, inputs: pixels, outputs: channels, transposed: false, stride: channels,
                    typicalRows: block, element: element),
                (0..<engine.pool.threadCount).map { _ in
                    let scores = arena.take(block * pixels)
                    return Scratch(
                        queries: arena.take(rows: block, columns: channels, element),
                        probabilities: element == .float32
                            ? Matrix(scores, columns: pixels) : arena.take(rows: block, columns: pixels, element),
                        scores: scores, output: arena.take(block * channels), reciprocals: arena.take(block))
                }
            )
        }
        for rows in Set([block, pixels % block]) where rows > 0 {
            keys.prepare(rows: rows)
            values.prepare(rows: rows)
        }
        let made = Prepared(pixels: pixels, arena: arena, keys: keys, values: values, scratch: scratch)
        prepared = made
        return made
    }
}
