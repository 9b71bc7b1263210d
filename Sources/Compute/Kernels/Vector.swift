import CPlatform

/// The vectors that kernels work in: sixteen floats, one AVX-512 register or two AVX ones.
///
/// `.rounded()`, `.clamped()` and conversions between SIMD floats and integers do not vectorise in Swift; the
/// functions here do without them.
package typealias Vector = SIMD16<Float>

/// 0 ..< `count` in vectors of sixteen, of which the last may be shorter: where each starts, and what is left from there.
///
/// A sequence rather than a function that takes a closure: the body of a loop is compiled in its place, that of a large
/// closure may be called for every vector.
@inline(__always)
func vectors(_ count: Int) -> Vectors { Vectors(count: count) }

struct Vectors: Sequence, IteratorProtocol {
    private var start = 0
    private let count: Int

    @inline(__always)
    init(count: Int) { self.count = count }

    @inline(__always)
    mutating func next() -> (start: Int, length: Int)? {
        guard start < count else { return nil }
        defer { start += 16 }
        return (start, count - start)
    }
}

/// Up to sixteen floats from `pointer` on; zeros behind the first `count`.
@inline(__always)
func load(_ pointer: UnsafePointer<Float>, _ count: Int) -> Vector { fpdm_load16(pointer, Int64(count)) }

@inline(__always)
func load(_ pointer: UnsafeMutablePointer<Float>, _ count: Int) -> Vector { fpdm_load16(pointer, Int64(count)) }

@inline(__always)
func store(_ vector: Vector, _ pointer: UnsafeMutablePointer<Float>, _ count: Int) {
    fpdm_store16(pointer, vector, Int64(count))
}

/// How numbers of one element type lie in memory; arithmetic is in float32.
protocol StoredElement {
    /// Elements from index `i` on, up to sixteen; zeros behind the first `count`.
    static func load(_ base: UnsafeRawPointer, _ i: Int, _ count: Int) -> Vector
    static func store(_ vector: Vector, _ base: UnsafeMutableRawPointer, _ i: Int, _ count: Int)
    /// Columns of a cache line.
    static var line: Int { get }
    /// Stores past the caches.
    static func stream(_ vector: Vector, _ base: UnsafeMutableRawPointer, _ i: Int)
}

enum StoredFloat32: StoredElement {
    @inline(__always)
    static func load(_ base: UnsafeRawPointer, _ i: Int, _ count: Int) -> Vector {
        fpdm_load16(base.assumingMemoryBound(to: Float.self) + i, Int64(count))
    }

    @inline(__always)
    static func store(_ vector: Vector, _ base: UnsafeMutableRawPointer, _ i: Int, _ count: Int) {
        fpdm_store16(base.assumingMemoryBound(to: Float.self) + i, vector, Int64(count))
    }

    @inline(__always)
    static var line: Int { Element.float32.perLine }

    @inline(__always)
    static func stream(_ vector: Vector, _ base: UnsafeMutableRawPointer, _ i: Int) {
        fpdm_stream16(base.assumingMemoryBound(to: Float.self) + i, vector)
    }
}

enum StoredBFloat16: StoredElement {
    @inline(__always)
    static func load(_ base: UnsafeRawPointer, _ i: Int, _ count: Int) -> Vector {
        fpdm_load_bfloat16(base.assumingMemoryBound(to: UInt16.self) + i, Int64(count))
    }

    @inline(__always)
    static func store(_ vector: Vector, _ base: UnsafeMutableRawPointer, _ i: Int, _ count: Int) {
        fpdm_store_bfloat16(base.assumingMemoryBound(to: UInt16.self) + i, vector, Int64(count))
    }

    @inline(__always)
    static var line: Int { Element.bfloat16.perLine }

    @inline(__always)
    static func stream(_ vector: Vector, _ base: UnsafeMutableRawPointer, _ i: Int) {
        fpdm_stream_bfloat16(base.assumingMemoryBound(to: UInt16.self) + i, vector)
    }
}

extension Matrix {
    /// Stores a vector of a row at column `i`, a multiple of sixteen, whichever way the matrix lies. In vectors it goes past
    /// the caches: many streams at once, not read again before all panels are done. After the last one: `finishStores`.
    @inline(__always)
    func store<E: StoredElement>(_: E.Type, _ vector: Vector, _ row: UnsafeMutableRawPointer, _ i: Int, _ count: Int) {
        if isInVectors {
            E.stream(
                count < 16 ? first(count, of: vector) : vector, row, i / E.line &* vectorStride &+ i % E.line)
        } else {
            E.store(vector, row, i, count)
        }
    }

    @inline(__always)
    func finishStores() { if isInVectors { fpdm_finish_streams() } }
}

/// a * b + c, rounded once.
@inline(__always)
func multiplyAdd(_ a: Vector, _ b: Vector, _ c: Vector) -> Vector { c.addingProduct(a, b) }

/// The square root of each lane.
@inline(__always)
func squareRoot(_ v: Vector) -> Vector { fpdm_square_root16(v) }

/// The lanes before `count`, and zeros.
@inline(__always)
func first(_ count: Int, of v: Vector) -> Vector {
    guard count < 16 else { return v }
    var part = v
    for lane in count..<16 { part[lane] = 0 }
    return part
}

/// The sum of the lanes, in a fixed order.
@inline(__always)
func lanesSum(_ v: Vector) -> Float {
    let a = v.lowHalf + v.highHalf
    let b = a.lowHalf + a.highHalf
    let c = b.lowHalf + b.highHalf
    return c[0] + c[1]
}

@inline(__always)
func lanesMaximum(_ v: Vector) -> Float {
    let a = larger(v.lowHalf, v.highHalf)
    let b = a.lowHalf.replacing(with: a.highHalf, where: a.highHalf .> a.lowHalf)
    let c = b.lowHalf.replacing(with: b.highHalf, where: b.highHalf .> b.lowHalf)
    return c[0] > c[1] ? c[0] : c[1]
}

@inline(__always)
private func larger(_ a: SIMD8<Float>, _ b: SIMD8<Float>) -> SIMD8<Float> { a.replacing(with: b, where: b .> a) }

@inline(__always)
func larger(_ a: Vector, _ b: Vector) -> Vector { a.replacing(with: b, where: b .> a) }

@inline(__always)
func smaller(_ a: Vector, _ b: Vector) -> Vector { a.replacing(with: b, where: b .< a) }

/// e^x within 2 units in the last place; arguments are held to where the result is a normal number. No number of none.
///
/// Transparent, because `@inline(__always)` is not always obeyed for a function of this size.
@_transparent
func exponentialOf(_ argument: Vector) -> Vector {
    let x = smaller(larger(argument, Vector(repeating: -87)), Vector(repeating: 88))
    // Adding and subtracting 1.5 x 2^23 rounds to an integer, whose low bits then stand in the mantissa.
    let magic = Vector(repeating: 12_582_912)
    let shifted = multiplyAdd(x, Vector(repeating: 1.442_695_04), magic)
    let n = shifted - magic
    // ln 2 in two parts keeps the reduced argument exact.
    var r = multiplyAdd(n, Vector(repeating: -0.693_359_375), x)
    r = multiplyAdd(n, Vector(repeating: 2.121_944_4e-4), r)
    var p = Vector(repeating: 1.987_569_15e-4)
    p = multiplyAdd(p, r, Vector(repeating: 1.398_199_95e-3))
    p = multiplyAdd(p, r, Vector(repeating: 8.333_451_91e-3))
    p = multiplyAdd(p, r, Vector(repeating: 4.166_579_59e-2))
    p = multiplyAdd(p, r, Vector(repeating: 1.666_666_55e-1))
    p = multiplyAdd(p, r, Vector(repeating: 5.000_000_12e-1))
    p = multiplyAdd(p, r * r, r + Vector(repeating: 1))
    let exponent = unsafeBitCast(shifted, to: SIMD16<UInt32>.self) &<< 23
    let power = unsafeBitCast(unsafeBitCast(p, to: SIMD16<UInt32>.self) &+ exponent, to: Vector.self)
    // What is no number may have become one as bits were added: this adds 0, or none.
    return power + (x - x)
}

/// The same for tests.
package func exponential(_ argument: Vector) -> Vector { exponentialOf(argument) }
