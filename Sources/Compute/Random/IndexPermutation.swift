/// A pseudorandom order of 0 ..< count that is never stored: element `i` costs a few hashes.
///
/// A four-round Feistel network over the next even power of two, with values outside the range walked on
/// (Black & Rogaway, "Ciphers with arbitrary finite domains", CT-RSA 2002).
public struct IndexPermutation: Sendable {
    public let count: Int
    private let halfBits: Int
    private let key: SIMD2<UInt32>
    private let tweak: SIMD2<UInt32>

    /// The order that belongs to (seed, purpose, epoch).
    public init(count: Int, seed: UInt64, purpose: UInt8, epoch: Int) {
        precondition(count > 0, "nothing to permute")
        self.count = count
        let bits = Int.bitWidth - (count - 1).leadingZeroBitCount
        halfBits = max((bits + 1) / 2, 1)
        key = SIMD2(UInt32(truncatingIfNeeded: seed), UInt32(truncatingIfNeeded: seed >> 32))
        tweak = SIMD2(UInt32(truncatingIfNeeded: epoch), UInt32(purpose))
    }

    /// The element at `position`, 0 ..< count.
    public subscript(position: Int) -> Int {
        precondition(position >= 0 && position < count, "position out of range")
        var value = position
        repeat {
            var left = value >> halfBits
            var right = value & mask
            for round in 0..<UInt32(4) { (left, right) = (right, left ^ hash(right, round)) }
            value = left << halfBits | right
        } while value >= count
        return value
    }

    /// The position at which an element, 0 ..< count, stands.
    public func position(of element: Int) -> Int {
        precondition(element >= 0 && element < count, "element out of range")
        var value = element
        repeat {
            var left = value >> halfBits
            var right = value & mask
            for round in (0..<UInt32(4)).reversed() { (left, right) = (right ^ hash(left, round), left) }
            value = left << halfBits | right
        } while value >= count
        return value
    }

    private var mask: Int { 1 << halfBits - 1 }

    private func hash(_ half: Int, _ round: UInt32) -> Int {
        let counter = SIMD4(
            UInt32(truncatingIfNeeded: half), UInt32(truncatingIfNeeded: half >> 32) ^ round << 28, tweak[0], tweak[1])
        let hash = Philox.block(counter: counter, key: key)
        return (Int(hash[0]) | Int(hash[1]) << 32) & mask
    }
}
