import Compute
import TestSupport
import Testing

@Suite("Philox, RandomStream and IndexPermutation")
struct RandomTests {
    /// Known answers of the Random123 distribution (kat_vectors, philox4x32-10).
    @Test("Philox gives the published answers")
    func knownAnswers() {
        let cases: [(SIMD4<UInt32>, SIMD2<UInt32>, SIMD4<UInt32>)] = [
            (.zero, .zero, SIMD4(0x6627_E8D5, 0xE169_C58D, 0xBC57_AC4C, 0x9B00_DBD8)),
            (
                SIMD4(repeating: .max), SIMD2(repeating: .max),
                SIMD4(0x408F_276D, 0x41C8_3B0E, 0xA20B_C7C6, 0x6D54_51FD)
            ),
            (
                SIMD4(0x243F_6A88, 0x85A3_08D3, 0x1319_8A2E, 0x0370_7344), SIMD2(0xA409_3822, 0x299F_31D0),
                SIMD4(0xD16C_FE09, 0x94FD_CCEB, 0x5001_E420, 0x2412_6EA1)
            ),
        ]
        for (counter, key, expected) in cases { #expect(Philox.block(counter: counter, key: key) == expected) }
    }

    @Test("normals have the moments of the standard normal distribution")
    func normals() {
        let count = 200_000
        let values = RandomStream(seed: 1, purpose: 2).normals(count).map(Double.init)
        func moment(_ power: Int) -> Double {
            values.reduce(0) { sum, x in sum + (0..<power).reduce(1) { p, _ in p * x } } / Double(count)
        }
        // Five standard errors of each moment: sqrt(1, 2, 15, 96 over count).
        let error = 5 / Double(count).squareRoot()
        #expect(abs(moment(1)) < error)
        #expect(abs(moment(2) - 1) < error * 2.0.squareRoot())
        #expect(abs(moment(3)) < error * 15.0.squareRoot())
        #expect(abs(moment(4) - 3) < error * 96.0.squareRoot())
        let neighbours = zip(values, values.dropFirst()).reduce(0) { $0 + $1.0 * $1.1 } / Double(count)
        #expect(abs(neighbours) < error)
        #expect(values.allSatisfy { $0.isFinite && abs($0) < 7 })
    }

    @Test("uniforms fill [0, 1) evenly, integers their range")
    func uniforms() {
        let stream = RandomStream(seed: 3, purpose: 1, step: 5, sample: 7)
        let count = 100_000
        var bins = [Int](repeating: 0, count: 10)
        var counts = [Int](repeating: 0, count: 7)
        for i in 0..<count {
            let u = stream.uniform(i)
            #expect(u >= 0 && u < 1)
            bins[Int(u * 10)] += 1
            counts[stream.integer(i, below: 7)] += 1
        }
        // Five standard deviations of a bin.
        #expect(bins.allSatisfy { abs($0 - 10_000) < 475 })
        #expect(counts.allSatisfy { abs($0 - count / 7) < 553 })
        #expect(stream.integer(0, below: 1) == 0)
    }

    @Test("an element is the same whoever asks, in whatever order")
    func order() {
        let stream = RandomStream(seed: 9, purpose: 4, step: 1, sample: 2)
        let forwards = (0..<100).map { stream.uniform($0) }
        let backwards = (0..<100).reversed().map { RandomStream(seed: 9, purpose: 4, step: 1, sample: 2).uniform($0) }
        #expect(forwards == backwards.reversed())
        #expect((0..<100).map { stream.bits($0) } == (0..<100).map { stream.bits($0) })
        // Shorter draws are beginnings of longer ones, at odd lengths too.
        let long = stream.normals(101)
        for count in [0, 1, 2, 3, 4, 5, 7, 100] { #expect(stream.normals(count) == Array(long.prefix(count))) }
        // Those of very large tensors do not repeat.
        for far in [1 << 32, 1 << 33, 3 << 32] {
            #expect((0..<4).map { stream.uniform(far + $0) } != (0..<4).map { stream.uniform($0) })
        }
    }

    @Test("seed, purpose, step and sample each make another stream")
    func places() {
        let streams = [
            RandomStream(seed: 1, purpose: 1), RandomStream(seed: 2, purpose: 1),
            RandomStream(seed: 1 << 40 | 1, purpose: 1), RandomStream(seed: 1, purpose: 2),
            RandomStream(seed: 1, purpose: 1, step: 1), RandomStream(seed: 1, purpose: 1, sample: 1),
            RandomStream(seed: 1, purpose: 1, sample: 1 << 33), RandomStream(seed: 1, purpose: 1, step: 1 << 31),
            RandomStream(seed: 1, purpose: 255, step: Int(UInt32.max), sample: 1 << 56 - 1),
        ]
        let firsts = Set(streams.map { stream in (0..<4).map { stream.bits($0) } })
        #expect(firsts.count == streams.count)
    }

    @Test("a permutation is a bijection", arguments: [1, 2, 3, 4, 5, 7, 16, 17, 100, 1797, 4096, 4097])
    func bijection(_ count: Int) {
        for epoch in 0..<3 {
            let permutation = IndexPermutation(count: count, seed: 7, purpose: 1, epoch: epoch)
            #expect((0..<count).map { permutation[$0] }.sorted() == Array(0..<count))
            #expect((0..<count).allSatisfy { permutation.position(of: permutation[$0]) == $0 })
        }
    }

    @Test("permutations differ between epochs, seeds and purposes, and scatter")
    func differs() {
        func order(_ seed: UInt64, _ purpose: UInt8, _ epoch: Int) -> [Int] {
            let permutation = IndexPermutation(count: 1797, seed: seed, purpose: purpose, epoch: epoch)
            return (0..<1797).map { permutation[$0] }
        }
        let orders = [order(1, 1, 0), order(1, 1, 1), order(2, 1, 0), order(1, 2, 0), Array(0..<1797)]
        for (i, a) in orders.enumerated() {
            for b in orders[(i + 1)...] {
                // Two random orders agree in about one place.
                #expect(zip(a, b).filter { $0 == $1 }.count < 12)
            }
        }
        // Neighbours land a third of the range apart on average.
        let jumps = zip(orders[0], orders[0].dropFirst()).reduce(0) { $0 + abs($1.0 - $1.1) }
        #expect(abs(Double(jumps) / 1796 - 1797.0 / 3) < 50)
    }

    @Test("every order of three occurs")
    func smallOrders() {
        let orders = (0..<200).map { epoch in
            let permutation = IndexPermutation(count: 3, seed: 1, purpose: 1, epoch: epoch)
            return (0..<3).map { permutation[$0] }
        }
        #expect(Set(orders).count == 6)
    }
}
