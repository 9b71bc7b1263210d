import Glibc

/// The random numbers of one place in a run: a pure function of (seed, purpose, step, sample).
///
/// Nothing is consumed: element `i` of a stream is the same whoever asks, however often, in whatever order. That
/// is what makes a run independent of the number of ranks and threads, and a resume exact.
public struct RandomStream: Sendable {
    private let key: SIMD2<UInt32>
    private let place: SIMD4<UInt32>

    /// - Parameters:
    ///   - purpose: keeps streams of different use apart.
    ///   - step: below 2^32.
    ///   - sample: below 2^56.
    public init(seed: UInt64, purpose: UInt8, step: Int = 0, sample: Int = 0) {
        precondition(step >= 0 && step <= Int(UInt32.max), "step out of range")
        precondition(sample >= 0 && sample < 1 << 56, "sample out of range")
        key = SIMD2(UInt32(truncatingIfNeeded: seed), UInt32(truncatingIfNeeded: seed >> 32))
        place = SIMD4(
            0, UInt32(truncatingIfNeeded: sample), UInt32(step),
            UInt32(purpose) << 24 | UInt32(truncatingIfNeeded: sample >> 32))
    }

    private func block(_ index: Int) -> SIMD4<UInt32> {
        var counter = place
        counter[0] = UInt32(truncatingIfNeeded: index)
        // Of tensors with so many values; streams of samples beyond 2^32 have no elements there.
        counter[3] ^= UInt32(truncatingIfNeeded: index >> 32)
        return Philox.block(counter: counter, key: key)
    }

    /// Element `index` as 32 random bits.
    public func bits(_ index: Int) -> UInt32 { block(index / 4)[index % 4] }

    /// Element `index`, uniform in [0, 1), with 53 random bits.
    public func uniform(_ index: Int) -> Double {
        let word = block(index)
        return Double((UInt64(word[0]) << 32 | UInt64(word[1])) >> 11) * 0x1p-53
    }

    /// Element `index`, uniform in 0 ..< `bound`; biased by less than `bound` / 2^53.
    public func integer(_ index: Int, below bound: Int) -> Int {
        precondition(bound > 0, "an empty range has no elements")
        return min(Int(uniform(index) * Double(bound)), bound - 1)
    }

    /// Elements `0 ..< count` of the standard normal distribution (Box & Muller, 1958).
    public func normals(into output: UnsafeMutablePointer<Float>, count: Int) {
        var i = 0
        var index = 0
        while i < count {
            let word = block(index)
            index += 1
            for pair in 0..<2 where i < count {
                // In (0, 1], so that the logarithm is finite.
                let u = (Double(word[2 * pair]) + 1) * 0x1p-32
                let angle = Double(word[2 * pair + 1]) * (2 * Double.pi * 0x1p-32)
                let radius = (-2 * log(u)).squareRoot()
                output[i] = Float(radius * cos(angle))
                if i + 1 < count { output[i + 1] = Float(radius * sin(angle)) }
                i += 2
            }
        }
    }

    /// `count` values of the standard normal distribution.
    public func normals(_ count: Int) -> [Float] {
        [Float](unsafeUninitializedCapacity: count) { buffer, initialized in
            if let base = buffer.baseAddress { normals(into: base, count: count) }
            initialized = count
        }
    }
}
