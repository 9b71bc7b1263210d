/// Multi-head softmax attention, forward beside backward. B samples, T tokens, H heads of width d, D = H d.
///
/// Scores exist for one block of queries of one head at a time, in scratch memory of the thread at work; the
/// backward pass forms them again.
public struct Attention: Sendable {
    public let tokens: Int
    public let heads: Int
    public let headWidth: Int

    public init(tokens: Int, heads: Int, headWidth: Int) {
        self.tokens = tokens
        self.heads = heads
        self.headWidth = headWidth
    }

    /// Queries handled at once; fixed by shape, so that results are.
    private var queryBlock: Int { min(tokens, 128) }
    private var scale: Float { 1 / Float(headWidth).squareRoot() }
    private var width: Int { heads * headWidth }

    /// Floats of scratch memory for each thread.
    public var scratchPerThread: Int { 2 * queryBlock * tokens }

    /// output [B T, D] from qkv [B T, 3 D], whose columns are (query, key, value) by head.
    public func forward(_ engine: Engine, qkv: FloatBuffer, output: FloatBuffer, scratch: FloatBuffer, samples: Int) {
        precondition(scratch.count >= scratchPerThread * engine.pool.threadCount, "too little attention scratch")
        let stride = 3 * width
        engine.pool.parallelFor(samples * heads) { task, worker in
            let (sample, head) = (task / heads, task % heads)
            let query = qkv.base + sample * tokens * stride + head * headWidth
            let (key, value) = (query + width, query + 2 * width)
            let result = output.base + sample * tokens * width + head * headWidth
            let scores = scratch.base + worker * scratchPerThread
            forEachQueryBlock { first, count in
                engine.matrix.multiply(
                    transposeA: false, transposeB: true, m: count, n: tokens, k: headWidth, alpha: 1,
                    a: query + first * stride, lda: stride, b: key, ldb: stride, beta: 0, c: scores, ldc: tokens)
                Softmax.forward(scores, rows: count, columns: tokens, scale: scale)
                engine.matrix.multiply(
                    transposeA: false, transposeB: false, m: count, n: headWidth, k: tokens, alpha: 1,
                    a: scores, lda: tokens, b: value, ldb: stride, beta: 0, c: result + first * width, ldc: width)
            }
        }
    }

    /// qkvGradient [B T, 3 D] from outputGradient [B T, D]; overwritten.
    public func backward(
        _ engine: Engine, qkv: FloatBuffer, outputGradient: FloatBuffer, qkvGradient: FloatBuffer,
        scratch: FloatBuffer, samples: Int
    ) {
        precondition(scratch.count >= scratchPerThread * engine.pool.threadCount, "too little attention scratch")
        let stride = 3 * width
        engine.pool.parallelFor(samples * heads) { task, worker in
            let (sample, head) = (task / heads, task % heads)
            let offset = sample * tokens * stride + head * headWidth
            let query = qkv.base + offset
            let (key, value) = (query + width, query + 2 * width)
            let queryGradient = qkvGradient.base + offset
            let (keyGradient, valueGradient) = (queryGradient + width, queryGradient + 2 * width)
            let gradient = outputGradient.base + sample * tokens * width + head * headWidth
            let p = scratch.base + worker * scratchPerThread
            let s = p + queryBlock * tokens
            forEachQueryBlock { first, count in
                let sumSoFar: Float = first == 0 ? 0 : 1
                engine.matrix.multiply(
                    transposeA: false, transposeB: true, m: count, n: tokens, k: headWidth, alpha: 1,
                    a: query + first * stride, lda: stride, b: key, ldb: stride, beta: 0, c: p, ldc: tokens)
                Softmax.forward(p, rows: count, columns: tokens, scale: scale)
                engine.matrix.multiply(
                    transposeA: true, transposeB: false, m: tokens, n: headWidth, k: count, alpha: 1,
                    a: p, lda: tokens, b: gradient + first * width, ldb: width, beta: sumSoFar,
                    c: valueGradient, ldc: stride)
                engine.matrix.multiply(
                    transposeA: false, transposeB: true, m: count, n: tokens, k: headWidth, alpha: 1,
                    a: gradient + first * width, lda: width, b: value, ldb: stride, beta: 0, c: s, ldc: tokens)
                Softmax.backward(p, gradient: s, rows: count, columns: tokens, scale: scale)
                engine.matrix.multiply(
                    transposeA: false, transposeB: false, m: count, n: headWidth, k: tokens, alpha: 1,
                    a: s, lda: tokens, b: key, ldb: stride, beta: 0, c: queryGradient + first * stride, ldc: stride)
                engine.matrix.multiply(
                    transposeA: true, transposeB: false, m: tokens, n: headWidth, k: count, alpha: 1,
                    a: s, lda: tokens, b: query + first * stride, ldb: stride, beta: sumSoFar,
                    c: keyGradient, ldc: stride)
            }
        }
    }

    @inline(__always)
    private func forEachQueryBlock(_ body: (_ first: Int, _ count: Int) -> Void) {
        var first = 0
        while first < tokens {
            body(first, min(queryBlock, tokens - first))
            first += queryBlock
        }
    }
}
