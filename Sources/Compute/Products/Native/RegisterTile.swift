import CPlatform

/// How many rows and vectors of columns of C a register tile has.
protocol TileShape {
    static var rows: Int { get }
    static var vectors: Int { get }
}

/// What a register tile is formed of: a part of C [rows, columns] = A [rows, depth] B [depth, columns].
struct TileOperands {
    var a: UnsafePointer<Float>
    /// Floats from one row of A to the next, and from one step along the depth to the next.
    var aRow, aStep: Int
    /// Whole vectors.
    var b: UnsafePointer<Float>
    /// Floats from one step along the depth to the next, and from one vector to the next.
    var bStep, bVector: Int
    var depth: Int
    var c: UnsafeMutablePointer<Float>
    var cRow: Int
    /// Columns of C in the last vector.
    var lastLanes: Int
    /// Goes on with what C has as a sum begun; else from zero.
    var continues = false
    /// Adds the finished sum to what C has.
    var adds = false
    /// What will be read before long of A and of B, brought nearer meanwhile: so many bytes at each step along the depth.
    var nextA, nextB: UnsafeRawPointer
    var nextAStep = 0
    var nextBStep = 0
}

/// The innermost loop of every product: the sums of a tile of C stay in registers while it goes along the depth.
///
/// Each element of C is one chain of multiply-adds in the order of the depth, so that its bits depend neither on the
/// tile's shape and place, nor on where the depth is cut, nor on the processor. Eight rows of three vectors are 24 chains,
/// enough for two multipliers of four cycles each, and take 11 loads for 24 multiply-adds.
enum RegisterTile {
    @inline(never)
    static func run<S: TileShape>(_: S.Type, _ o: TileOperands) {
        var (r0, r1, r2, r3) = (RowSums<S>(), RowSums<S>(), RowSums<S>(), RowSums<S>())
        var (r4, r5, r6, r7) = (RowSums<S>(), RowSums<S>(), RowSums<S>(), RowSums<S>())
        let (c, cRow, lanes) = (o.c, o.cRow, o.lastLanes)
        if o.continues {
            r0.load(c, lanes)
            if S.rows > 1 { r1.load(c + cRow, lanes) }
            if S.rows > 2 { r2.load(c + 2 * cRow, lanes) }
            if S.rows > 3 { r3.load(c + 3 * cRow, lanes) }
            if S.rows > 4 { r4.load(c + 4 * cRow, lanes) }
            if S.rows > 5 { r5.load(c + 5 * cRow, lanes) }
            if S.rows > 6 { r6.load(c + 6 * cRow, lanes) }
            if S.rows > 7 { r7.load(c + 7 * cRow, lanes) }
        }
        if o.adds { for row in 0..<S.rows { prefetch(c + row * cRow, S.vectors) } }
        let (aRow, aStep, bStep, bVector) = (o.aRow, o.aStep, o.bStep, o.bVector)
        var (a, b, nextA, nextB) = (o.a, o.b, o.nextA, o.nextB)
        for _ in 0..<o.depth {
            let columns = RowSums<S>(whole: b, bVector)
            r0.add(a[0], columns)
            if S.rows > 1 { r1.add(a[aRow], columns) }
            if S.rows > 2 { r2.add(a[2 * aRow], columns) }
            if S.rows > 3 { r3.add(a[3 * aRow], columns) }
            if S.rows > 4 { r4.add(a[4 * aRow], columns) }
            if S.rows > 5 { r5.add(a[5 * aRow], columns) }
            if S.rows > 6 { r6.add(a[6 * aRow], columns) }
            if S.rows > 7 { r7.add(a[7 * aRow], columns) }
            fpdm_prefetch(nextA)
            fpdm_prefetch(nextB)
            a += aStep
            b += bStep
            nextA += o.nextAStep
            nextB += o.nextBStep
        }
        r0.store(c, lanes, adds: o.adds)
        if S.rows > 1 { r1.store(c + cRow, lanes, adds: o.adds) }
        if S.rows > 2 { r2.store(c + 2 * cRow, lanes, adds: o.adds) }
        if S.rows > 3 { r3.store(c + 3 * cRow, lanes, adds: o.adds) }
        if S.rows > 4 { r4.store(c + 4 * cRow, lanes, adds: o.adds) }
        if S.rows > 5 { r5.store(c + 5 * cRow, lanes, adds: o.adds) }
        if S.rows > 6 { r6.store(c + 6 * cRow, lanes, adds: o.adds) }
        if S.rows > 7 { r7.store(c + 7 * cRow, lanes, adds: o.adds) }
    }

    @inline(__always)
    private static func prefetch(_ line: UnsafeMutablePointer<Float>, _ vectors: Int) {
        for vector in 0..<vectors { fpdm_prefetch_to_write(line + 16 * vector) }
    }
}

/// Up to three vectors of one row.
private struct RowSums<S: TileShape> {
    private var v0 = Vector()
    private var v1 = Vector()
    private var v2 = Vector()

    @inline(__always)
    init() {}

    @inline(__always)
    init(whole: UnsafePointer<Float>, _ stride: Int) {
        v0 = fpdm_load16(whole, 16)
        if S.vectors > 1 { v1 = fpdm_load16(whole + stride, 16) }
        if S.vectors > 2 { v2 = fpdm_load16(whole + 2 * stride, 16) }
    }

    /// - Parameter lanes: of the last vector.
    @inline(__always)
    mutating func load(_ from: UnsafePointer<Float>, _ lanes: Int) {
        v0 = fpdm_load16(from, Int64(S.vectors == 1 ? lanes : 16))
        if S.vectors > 1 { v1 = fpdm_load16(from + 16, Int64(S.vectors == 2 ? lanes : 16)) }
        if S.vectors > 2 { v2 = fpdm_load16(from + 32, Int64(lanes)) }
    }

    @inline(__always)
    mutating func add(_ a: Float, _ columns: RowSums) {
        let value = Vector(repeating: a)
        v0 = multiplyAdd(value, columns.v0, v0)
        if S.vectors > 1 { v1 = multiplyAdd(value, columns.v1, v1) }
        if S.vectors > 2 { v2 = multiplyAdd(value, columns.v2, v2) }
    }

    @inline(__always)
    func store(_ to: UnsafeMutablePointer<Float>, _ lanes: Int, adds: Bool) {
        var old = RowSums()
        if adds { old.load(to, lanes) }
        fpdm_store16(to, adds ? old.v0 + v0 : v0, Int64(S.vectors == 1 ? lanes : 16))
        if S.vectors > 1 { fpdm_store16(to + 16, adds ? old.v1 + v1 : v1, Int64(S.vectors == 2 ? lanes : 16)) }
        if S.vectors > 2 { fpdm_store16(to + 32, adds ? old.v2 + v2 : v2, Int64(lanes)) }
    }
}

// MARK: - Shapes

extension RegisterTile {
    /// As many rows as one tile takes of those that are left: eight, four or one.
    @inline(__always)
    static func rows(of left: Int) -> Int { left >= 8 ? 8 : left >= 4 ? 4 : 1 }

    /// A tile of so many rows and vectors.
    @inline(__always)
    static func run(rows: Int, vectors: Int, _ o: TileOperands) {
        switch (rows, vectors) {
        case (8, 3): run(EightByThree.self, o)
        case (8, 2): run(EightByTwo.self, o)
        case (8, 1): run(EightByOne.self, o)
        case (4, 3): run(FourByThree.self, o)
        case (4, 2): run(FourByTwo.self, o)
        case (4, 1): run(FourByOne.self, o)
        case (1, 3): run(OneByThree.self, o)
        case (1, 2): run(OneByTwo.self, o)
        case (1, 1): run(OneByOne.self, o)
        default: fatalError("no register tile of \(rows) rows and \(vectors) vectors")
        }
    }

    private enum EightByThree: TileShape {
        @inline(__always) static var rows: Int { 8 }
        @inline(__always) static var vectors: Int { 3 }
    }
    private enum EightByTwo: TileShape {
        @inline(__always) static var rows: Int { 8 }
        @inline(__always) static var vectors: Int { 2 }
    }
    private enum EightByOne: TileShape {
        @inline(__always) static var rows: Int { 8 }
        @inline(__always) static var vectors: Int { 1 }
    }
    private enum FourByThree: TileShape {
        @inline(__always) static var rows: Int { 4 }
        @inline(__always) static var vectors: Int { 3 }
    }
    private enum FourByTwo: TileShape {
        @inline(__always) static var rows: Int { 4 }
        @inline(__always) static var vectors: Int { 2 }
    }
    private enum FourByOne: TileShape {
        @inline(__always) static var rows: Int { 4 }
        @inline(__always) static var vectors: Int { 1 }
    }
    private enum OneByThree: TileShape {
        @inline(__always) static var rows: Int { 1 }
        @inline(__always) static var vectors: Int { 3 }
    }
    private enum OneByTwo: TileShape {
        @inline(__always) static var rows: Int { 1 }
        @inline(__always) static var vectors: Int { 2 }
    }
    private enum OneByOne: TileShape {
        @inline(__always) static var rows: Int { 1 }
        @inline(__always) static var vectors: Int { 1 }
    }
}
