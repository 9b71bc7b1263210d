/// Multi-head softmax attention, forward beside backward. S samples, T tokens, H heads of width d, D = H d.
///
/// A task is one head of one sample, or several where they are small; it goes through its queries in blocks, whose scores
/// [queries, T] stay in the cache. The forward pass keeps the logarithm of each row's sum, with which the backward pass
/// has the probabilities again at once (as in FlashAttention-2, arXiv 2307.08691, section 3.1).
public final class Attention: @unchecked Sendable {
    public let heads: Heads
    private let engine: Engine
    /// Of queries, keys, values and what becomes of them; and of what products read.
    private let element, operand: Element
    private let queryBlock: Int
    /// Whether small heads are put together: by shape alone, for products of a batch are others than single ones.
    private let putsTogether: Bool
    private let headsPerTask: Int
    private let training: Bool
    private let transposed: Transposed
    private var products: [Key: Products] = [:]
    private let scratch: [Scratch]
    private var scale: Float { 1 / Float(heads.headWidth).squareRoot() }

    /// How products read a transposed matrix of a head.
    private enum Transposed {
        /// As it lies.
        case plain
        /// Packed by blocks of columns, once for all blocks of queries.
        case packed(floats: Int)

        init(_ backend: MatrixBackend, _ heads: Heads) {
            guard case .native = backend else {
                self = .plain
                return
            }
            self = .packed(floats: ColumnBlocks(columns: heads.tokens).packedCount(depth: heads.headWidth))
        }

        /// Of one head.
        var floats: Int { if case .packed(let floats) = self { floats } else { 0 } }
    }

    /// A block of queries: of so many heads at once, so many of each.
    private struct Key: Hashable { let batch, queries: Int }

    private struct Products {
        let scores, output: Product
        var probabilityGradient, queryGradient: Product?
        /// The first block's, and those added to it.
        var keyGradient: [Product] = []
    }

    /// What a thread works on meanwhile.
    private struct Scratch {
        let scores, gradient: FloatBuffer  // [heads, queries, T]
        let probabilities, scoreGradient: Matrix  // the same, as products read them
        let output: FloatBuffer  // [heads, queries, d]
        let keyGradient, valueGradient: FloatBuffer  // [heads, T, d]
        let inner: FloatBuffer  // [heads, queries], a number for each row
        /// Keys and values of the task's heads, transposed, as own kernels read them.
        let keys, values: FloatBuffer
        /// What own kernels read of bfloat16, widened: of the task's heads.
        let widened: Widened
    }

    /// [heads, T, d] each.
    private struct Widened {
        let queries, keys, values, gradient: FloatBuffer
    }

    /// Scores of one task's block at most, where heads are put together.
    private static let scoresPerTask = 16_384

    /// - Parameters:
    ///   - samples: of most passes; all threads get some of their heads.
    ///   - training: whether a backward pass will follow.
    public init(_ engine: Engine, _ arena: Arena, _ heads: Heads, samples: Int, training: Bool) {
        self.engine = engine
        self.heads = heads
        self.training = training
        element = engine.precision.element
        let (tokens, width) = (heads.tokens, heads.headWidth)
        queryBlock = min(tokens, 128)
        let most = tokens > 128 ? 1 : Self.scoresPerTask / (tokens * tokens)
        putsTogether = most > 1
        // As many of a batch as it likes, since bits do not depend on it: all threads are to have some.
        let threads = engine.pool.threadCount
        headsPerTask = max(1, min(most, (samples * heads.heads + threads - 1) / threads))
        transposed = Transposed(engine.backend, heads)
        // Own kernels multiply float32: what is stored is widened, and what lies between its products is not rounded.
        operand = engine.backend.isNative ? .float32 : element
        let (batch, queries, operand) = (headsPerTask, queryBlock, operand)
        let widenedFloats = operand == element ? 0 : batch * tokens * width
        let transposedFloats = batch * transposed.floats
        scratch = (0..<engine.pool.threadCount).map { _ in
            let scores = arena.take(batch * queries * tokens)
            let gradient = arena.take(training ? batch * queries * tokens : 0)
            // Where products read floats, they read them where the softmax has left them.
            func read(_ floats: FloatBuffer) -> Matrix {
                operand == .float32
                    ? Matrix(floats, columns: tokens)
                    : arena.take(rows: floats.count / tokens, columns: tokens, operand)
            }
            return Scratch(
                scores: scores, gradient: gradient, probabilities: read(scores), scoreGradient: read(gradient),
                output: arena.take(batch * queries * width),
                keyGradient: arena.take(training ? batch * tokens * width : 0),
                valueGradient: arena.take(training ? batch * tokens * width : 0),
                inner: arena.take(batch * queries), keys: arena.take(transposedFloats),
                values: arena.take(training ? transposedFloats : 0),
                widened: Widened(
                    queries: arena.take(widenedFloats), keys: arena.take(widenedFloats),
                    values: arena.take(widenedFloats), gradient: arena.take(training ? widenedFloats : 0)))
        }
    }

    /// Tasks of one pass over so many samples.
    public func tasks(samples: Int) -> Int { (samples * heads.heads + headsPerTask - 1) / headsPerTask }

    /// Prepares the products of a pass over so many samples. To be called while none runs.
    public func prepare(samples: Int) {
        let all = samples * heads.heads
        for batch in Set([min(headsPerTask, all), all % headsPerTask]) where batch > 0 {
            for queries in Set([queryBlock, heads.tokens % queryBlock]) where queries > 0 {
                let key = Key(batch: batch, queries: queries)
                if products[key] == nil { products[key] = make(key) }
            }
        }
    }

    private func make(_ key: Key) -> Products {
        let (batch, queries, tokens, width) = (key.batch, key.queries, heads.tokens, heads.headWidth)
        func product(
            _ rows: Int, _ columns: Int, _ depth: Int, a: ProductShape.Layout? = nil, b: ProductShape.Layout? = nil,
            adds: Bool = false
        ) -> Product {
            engine.products(
                ProductShape(
                    batch: putsTogether ? batch : nil, rows: rows, columns: columns, depth: depth, a: a, b: b,
                    operand, accumulates: adds,
                    kind: .attention))
        }
        let scores =
            switch transposed {
            case .plain: product(queries, tokens, width, b: .columns(stride: width))
            case .packed: product(queries, tokens, width, b: .packed(rows: queries))
            }
        var made = Products(scores: scores, output: product(queries, width, tokens))
        if training {
            made.probabilityGradient = scores
            made.queryGradient = made.output
            made.keyGradient = [false, true].map {
                product(tokens, width, queries, a: .columns(stride: tokens), adds: $0)
            }
        }
        return made
    }

    /// The operands of a pass; sample s of it stands at s in each.
    public struct Pass {
        /// Three parts of [S, H, T, d], `partElements` apart: queries, keys, values.
        public let qkv: Matrix
        public let partElements: Int
        /// [S T, D]
        public let attended: Matrix
        /// [S, H, T], kept for the backward pass.
        public let logSums: FloatBuffer?
        public let samples: Int

        public init(qkv: Matrix, partElements: Int, attended: Matrix, logSums: FloatBuffer?, samples: Int) {
            self.qkv = qkv
            self.partElements = partElements
            self.attended = attended
            self.logSums = logSums
            self.samples = samples
        }
    }

    /// One task of `tasks`: writes `attended`.
    public func forward(_ pass: Pass, task: Int, worker: Int) {
        switch (element, operand) {
        case (.float32, _): forward(StoredFloat32.self, StoredFloat32.self, pass, task, worker)
        case (.bfloat16, .bfloat16): forward(StoredBFloat16.self, StoredBFloat16.self, pass, task, worker)
        case (.bfloat16, .float32): forward(StoredBFloat16.self, StoredFloat32.self, pass, task, worker)
        }
    }

    /// - Parameters: of what is stored, and of what products read.
    private func forward<E: StoredElement, P: StoredElement>(
        _: E.Type, _: P.Type, _ pass: Pass, _ task: Int, _ worker: Int
    ) {
        let own = headsOf(task, pass.samples)
        let (tokens, width, s) = (heads.tokens, heads.headWidth, scratch[worker])
        let start = pass.qkv.base + own.lowerBound * heads.headElements * element.bytes
        let part = pass.partElements * element.bytes
        let query = operand(own, start, s.widened.queries)
        let key = operand(own, start + part, s.widened.keys)
        let value = operand(own, start + 2 * part, s.widened.values)
        pack(own, key, into: s.keys)
        for first in stride(from: 0, to: tokens, by: queryBlock) {
            let count = min(queryBlock, tokens - first)
            let products = products(own.count, count)
            runTransposed(
                products.scores, query + first * width * operand.bytes, key, s.keys, into: s.scores.base,
                worker: worker)
            Softmax.forward(
                P.self, s.scores.base, probabilities: s.probabilities.base, bytes: operand.bytes,
                reciprocals: s.inner.base,
                logSums: pass.logSums.map { $0.base + own.lowerBound * tokens + first }, rows: own.count * count,
                columns: tokens, scale: scale)
            products.output.run(s.probabilities.base, value, into: s.output.base, worker: worker)
            for (index, head) in own.enumerated() {
                place(
                    E.self, s.output.base + index * count * width, count, pass.attended, head: head, first: first,
                    column: 0, factors: s.inner.base + index * count)
            }
        }
    }

    /// One task of `tasks`: writes the gradient of queries, keys and values.
    ///
    /// - Parameters:
    ///   - gradient: of `attended`, as [S, H, T, d].
    ///   - qkvGradient: [S T, 3 D]
    public func backward(_ pass: Pass, gradient: Matrix, qkvGradient: Matrix, task: Int, worker: Int) {
        switch (element, operand) {
        case (.float32, _):
            backward(StoredFloat32.self, StoredFloat32.self, pass, gradient, qkvGradient, task, worker)
        case (.bfloat16, .bfloat16):
            backward(StoredBFloat16.self, StoredBFloat16.self, pass, gradient, qkvGradient, task, worker)
        case (.bfloat16, .float32):
            backward(StoredBFloat16.self, StoredFloat32.self, pass, gradient, qkvGradient, task, worker)
        }
    }

    private func backward<E: StoredElement, P: StoredElement>(
        _: E.Type, _: P.Type, _ pass: Pass, _ gradient: Matrix, _ qkvGradient: Matrix, _ task: Int, _ worker: Int
    ) {
        guard let logSums = pass.logSums else { fatalError("a forward pass that kept nothing") }
        let own = headsOf(task, pass.samples)
        let (tokens, width, s) = (heads.tokens, heads.headWidth, scratch[worker])
        let offset = own.lowerBound * heads.headElements * element.bytes
        let start = pass.qkv.base + offset
        let part = pass.partElements * element.bytes
        let query = operand(own, start, s.widened.queries)
        let key = operand(own, start + part, s.widened.keys)
        let value = operand(own, start + 2 * part, s.widened.values)
        let output = operand(own, gradient.base + offset, s.widened.gradient)
        pack(own, key, into: s.keys)
        pack(own, value, into: s.values)
        for first in stride(from: 0, to: tokens, by: queryBlock) {
            let count = min(queryBlock, tokens - first)
            let products = products(own.count, count)
            guard let probabilityGradient = products.probabilityGradient, let queryGradient = products.queryGradient
            else { fatalError("attention for inference has no backward pass") }
            let block = first * width * operand.bytes
            runTransposed(products.scores, query + block, key, s.keys, into: s.scores.base, worker: worker)
            runTransposed(
                probabilityGradient, output + block, value, s.values, into: s.gradient.base, worker: worker)
            for (index, head) in own.enumerated() {
                inner(
                    E.self, P.self, output + block + index * heads.headElements * operand.bytes, pass.attended,
                    head: head, first: first, count: count, into: s.inner.base + index * count)
            }
            Softmax.backward(
                P.self, s.scores.base, logSums: logSums.base + own.lowerBound * tokens + first,
                gradient: s.gradient.base, inner: s.inner.base, probabilities: s.probabilities.base,
                scoreGradient: s.scoreGradient.base, bytes: operand.bytes, rows: own.count * count,
                columns: tokens, scale: scale)
            let sums = products.keyGradient[first == 0 ? 0 : 1]
            sums.run(s.probabilities.base, output + block, into: s.valueGradient.base, worker: worker)
            sums.run(s.scoreGradient.base, query + block, into: s.keyGradient.base, worker: worker)
            queryGradient.run(s.scoreGradient.base, key, into: s.output.base, worker: worker)
            for (index, head) in own.enumerated() {
                place(
                    E.self, s.output.base + index * count * width, count, qkvGradient, head: head, first: first,
                    column: 0)
            }
        }
        for (index, head) in own.enumerated() {
            let offset = index * heads.headElements
            place(
                E.self, s.keyGradient.base + offset, tokens, qkvGradient, head: head, first: 0, column: heads.width)
            place(
                E.self, s.valueGradient.base + offset, tokens, qkvGradient, head: head, first: 0,
                column: 2 * heads.width)
        }
    }

    /// A part of a task's heads [T, d] as products read it: where it lies, or widened.
    private func operand(
        _ own: Range<Int>, _ stored: UnsafeRawPointer, _ widened: FloatBuffer
    ) -> UnsafeRawPointer {
        guard operand != element else { return stored }
        for (i, n) in vectors(own.count * heads.headElements) {
            store(StoredBFloat16.load(stored, i, n), widened.base + i, n)
        }
        return UnsafeRawPointer(widened.base)
    }

    /// Keys or values of a task's heads [T, d], for products with what they are transposed.
    private func pack(_ own: Range<Int>, _ matrix: UnsafeRawPointer, into target: FloatBuffer) {
        guard case .packed(let floats) = transposed else { return }
        let blocks = ColumnBlocks(columns: heads.tokens)
        for index in 0..<own.count {
            blocks.pack(
                matrix.assumingMemoryBound(to: Float.self) + index * heads.headElements, row: 1,
                column: heads.headWidth, depth: heads.headWidth, into: target.base + index * floats)
        }
    }

    /// left [queries, d] times a head's matrix transposed [d, T].
    private func runTransposed(
        _ product: Product, _ left: UnsafeRawPointer, _ matrix: UnsafeRawPointer, _ packed: FloatBuffer,
        into c: UnsafeMutablePointer<Float>, worker: Int
    ) {
        switch transposed {
        case .plain: product.run(left, matrix, into: c, worker: worker)
        case .packed: product.run(left, blocks: packed.base, into: c, worker: worker)
        }
    }

    /// Heads of a task, counted over all samples.
    private func headsOf(_ task: Int, _ samples: Int) -> Range<Int> {
        task * headsPerTask..<min((task + 1) * headsPerTask, samples * heads.heads)
    }

    private func products(_ batch: Int, _ queries: Int) -> Products {
        guard let products = products[Key(batch: batch, queries: queries)] else {
            fatalError("attention over another number of samples than was prepared")
        }
        return products
    }

    /// Puts [count, d] of one head, times a factor a row, to its columns of a matrix with a row for each token.
    private func place<E: StoredElement>(
        _: E.Type, _ values: UnsafePointer<Float>, _ count: Int, _ matrix: Matrix, head: Int, first: Int, column: Int,
        factors: UnsafePointer<Float>? = nil
    ) {
        let (sample, own) = head.quotientAndRemainder(dividingBy: heads.heads)
        let width = heads.headWidth
        let target = matrix.from(sample * heads.tokens + first)
        for row in 0..<count {
            let y = target.row(row) + (column + own * width) * matrix.element.bytes
            let factor = Vector(repeating: factors?[row] ?? 1)
            for (i, n) in vectors(width) { E.store(load(values + row * width + i, n) * factor, y, i, n) }
        }
    }

    /// The sum over a row of p * (gradient of p), which is that of output * (gradient of output).
    private func inner<E: StoredElement, P: StoredElement>(
        _: E.Type, _: P.Type, _ gradient: UnsafeRawPointer, _ attended: Matrix, head: Int, first: Int, count: Int,
        into sums: UnsafeMutablePointer<Float>
    ) {
        let (sample, own) = head.quotientAndRemainder(dividingBy: heads.heads)
        let width = heads.headWidth
        let output = attended.from(sample * heads.tokens + first)
        for row in 0..<count {
            let y = output.row(row) + own * width * element.bytes
            let dy = gradient + row * width * operand.bytes
            var sum = Vector()
            for (i, n) in vectors(width) { sum = multiplyAdd(E.load(y, i, n), P.load(dy, i, n), sum) }
            sums[row] = lanesSum(sum)
        }
    }
}
