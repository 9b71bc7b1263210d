import Compute
import TestSupport
import Testing

/// A product's shape, with how far apart its rows or columns stand.
struct ProductCase: Sendable, CustomTestStringConvertible {
    /// nil for one that is not of a batch.
    let batch: Int?
    let rows, columns, depth: Int
    let a, b: Order
    /// Elements between what is dense.
    let gap: Int
    let accumulates: Bool

    enum Order: CaseIterable { case rows, columns }
    /// Of A and B.
    static let orders = Order.allCases.flatMap { a in Order.allCases.map { (a, $0) } }

    var testDescription: String {
        "\(batch.map { "\($0) x " } ?? "")[\(rows), \(depth)] x [\(depth), \(columns)], A by \(a), B by \(b), gaps of \(gap)"
            + (accumulates ? ", accumulated" : "")
    }

    static let sweep: [ProductCase] = {
        let batches: [(Int?, Int)] = [(nil, 0), (nil, 5), (1, 0), (3, 0)]
        let shapes = [(1, 1, 1), (1, 33, 17), (5, 1, 70), (17, 16, 1), (64, 70, 33), (70, 15, 64), (3, 129, 257)]
        return shapes.flatMap { rows, columns, depth in
            orders.flatMap { a, b in
                batches.map { batch, gap in
                    // Both of them with every layout.
                    ProductCase(
                        batch: batch, rows: rows, columns: columns, depth: depth, a: a, b: b, gap: gap,
                        accumulates: (rows + (batch ?? 0) + gap + (a == b ? 1 : 0)) % 2 == 0)
                }
            }
        }
    }()

    func shape(_ element: Element) -> ProductShape {
        ProductShape(
            batch: batch, rows: rows, columns: columns, depth: depth,
            a: a == .rows ? .rows(stride: depth + gap) : .columns(stride: rows + gap),
            b: b == .rows ? .rows(stride: columns + gap) : .columns(stride: depth + gap), element,
            cStride: columns + gap, accumulates: accumulates)
    }

    /// Values of one operand, stored by `order`, of every matrix of the batch.
    func run(_ engine: Engine) {
        let (element, batch) = (engine.precision.element, batch ?? 1)
        let left = element.rounded(randomFloats(batch * rows * depth, seed: 1))
        let right = element.rounded(randomFloats(batch * depth * columns, seed: 2))
        let before = randomFloats(batch * rows * columns, seed: 3)
        /// One matrix of the batch.
        func part(_ values: [Float], _ index: Int, _ size: Int) -> [Double] {
            Array(values[index * size..<(index + 1) * size]).doubles
        }
        func stored(_ values: [Float], _ order: Order, _ rows: Int, _ columns: Int) -> [Float] {
            guard order == .columns else { return values }
            return (0..<batch).flatMap {
                Naive.transpose(part(values, $0, rows * columns), rows, columns).map(Float.init)
            }
        }
        let expected: [Double] = (0..<batch).flatMap { index in
            Naive.multiply(
                part(left, index, rows * depth), part(right, index, depth * columns), rows, columns, depth)
        }
        withWorkspace { memory in
            let x = memory.matrix(
                stored(left, a, rows, depth), columns: a == .rows ? depth : rows, element,
                stride: (a == .rows ? depth : rows) + gap)
            let y = memory.matrix(
                stored(right, b, depth, columns), columns: b == .rows ? columns : depth, element,
                stride: (b == .rows ? columns : depth) + gap)
            let c =
                accumulates
                ? memory.matrix(before, columns: columns, stride: columns + gap)
                : memory.matrix(rows: batch * rows, columns: columns, stride: columns + gap)
            engine.products(shape(element)).run(x.base, y.base, into: c.floats(), worker: 0)
            expectClose(
                c.array(rows: batch * rows), accumulates ? zip(before.doubles, expected).map(+) : expected,
                within: 2e-6, "product")
            #expect(c.isUntouchedBetween(rows: batch * rows))
        }
    }
}

@Suite("Products")
struct ProductTests {
    @Test("in every layout, alone and in batches, set and added", arguments: Arithmetic.float32)
    func float32(_ arithmetic: Arithmetic) throws {
        let engine = try arithmetic.engine(threads: 1)
        #expect(Set(ProductCase.sweep.map(\.accumulates)).count == 2)
        for c in ProductCase.sweep { c.run(engine) }
    }

    /// Products of bfloat16 are exact, and added up in float32.
    @Test("of bfloat16", arguments: Arithmetic.bfloat16)
    func bfloat16(_ arithmetic: Arithmetic) throws {
        let engine = try arithmetic.engine(threads: 1)
        for c in ProductCase.sweep { c.run(engine) }
    }

    /// Among them what oneDNN takes for small where it is not of a batch: heads of few tokens.
    @Test(
        "one of a batch has the same bits, however many there are", arguments: Arithmetic.float32 + Arithmetic.bfloat16)
    func batches(_ arithmetic: Arithmetic) throws {
        let engine = try arithmetic.engine(threads: 1)
        let shapes = [(16, 16, 24), (4, 4, 20), (16, 24, 16), (64, 64, 24), (9, 40, 9), (1, 300, 256)]
        for (rows, columns, depth) in shapes {
            for (a, b) in ProductCase.orders {
                withWorkspace { memory in
                    let left = memory.matrix(
                        randomFloats(5 * rows * depth, seed: 1), columns: rows * depth, arithmetic.element)
                    let right = memory.matrix(
                        randomFloats(5 * depth * columns, seed: 2), columns: depth * columns, arithmetic.element)
                    func product(_ first: Int, _ batch: Int) -> [Float] {
                        let shape = ProductShape(
                            batch: batch, rows: rows, columns: columns, depth: depth,
                            a: a == .rows ? nil : .columns(stride: rows), b: b == .rows ? nil : .columns(stride: depth),
                            arithmetic.element
                        )
                        let output = memory.matrix(rows: batch, columns: rows * columns)
                        engine.products(shape).run(
                            left.from(first).base, right.from(first).base, into: output.floats(), worker: 0)
                        return output.array(rows: batch)
                    }
                    expectSameBits(product(0, 5), (0..<5).flatMap { product($0, 1) }, "five and one at a time")
                    expectSameBits(product(0, 5), product(0, 2) + product(2, 3), "five, and two and three")
                }
            }
        }
    }

    @Test("one shape is prepared once")
    func table() throws {
        for arithmetic in Arithmetic.float32 {
            let engine = try arithmetic.engine()
            let shape = ProductShape(rows: 5, columns: 7, depth: 9)
            #expect(engine.products(shape) === engine.products(shape))
            var other = shape
            other.accumulates = true
            #expect(engine.products(shape) !== engine.products(other))
            #expect(shape.operations == 630)
        }
    }

    /// Scratch memory grows while products are prepared, and those of before go on working.
    @Test(
        "products that were prepared early run beside later, larger ones",
        arguments: Arithmetic.float32 + Arithmetic.bfloat16)
    func growth(_ arithmetic: Arithmetic) throws {
        let engine = try arithmetic.engine(threads: 3)
        let element = arithmetic.element
        let first = ProductShape(
            rows: 33, columns: 65, depth: 129, a: .columns(stride: 33), b: .columns(stride: 129), element)
        let a = element.rounded(randomFloats(33 * 129, seed: 1))
        let b = element.rounded(randomFloats(65 * 129, seed: 2))
        let early = engine.products(first)
        for size in [100, 400, 700] {
            _ = engine.products(
                ProductShape(
                    rows: size, columns: size, depth: size, a: .columns(stride: size), element, accumulates: true))
        }
        let expected = Naive.multiply(a.doubles, b.doubles, 33, 65, 129, transposeA: true, transposeB: true)
        withWorkspace { memory in
            let (x, y) = (memory.matrix(a, columns: 33, element), memory.matrix(b, columns: 129, element))
            let outputs = (0..<12).map { _ in memory.empty(33 * 65) }
            engine.pool.parallelFor(12) { task, worker in
                early.run(x.base, y.base, into: outputs[task].base, worker: worker)
            }
            for output in outputs { expectClose(output.array, expected, within: 2e-6, "product") }
        }
    }
}
