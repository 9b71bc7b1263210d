import Compute
import Glibc
import TestSupport
import Testing

@Suite("Embeddings and element-wise sums")
struct EmbeddingsTests {
    @Test(
        "positions encode the column in the first half, the row in the second", arguments: [(4, 1), (20, 3), (36, 5)])
    func positions(_ width: Int, _ side: Int) {
        var expected: [Double] = []
        for row in 0..<side {
            for column in 0..<side {
                for place in [column, row] {
                    let angles = (0..<width / 4).map {
                        Double(place) / pow(10_000, Double($0) / (Double(width) / 4))
                    }
                    expected += angles.map { sin($0) } + angles.map { cos($0) }
                }
            }
        }
        expectClose(Embeddings.positions(width: width, side: side), expected, within: 1e-7, "positions")
    }

    @Test("timestep features are cosines, then sines", arguments: [0, 1, 17, 500, 999])
    func timestep(_ t: Int) {
        let frequencies = (0..<128).map { exp(-log(10_000) * Double($0) / 128) }
        let expected =
            frequencies.map { cos(Double(t) * $0) } + frequencies.map { sin(Double(t) * $0) }
        withWorkspace { memory in
            let features = memory.empty(256)
            Embeddings.timestep(t, width: 256, into: features.base)
            expectClose(features.array, expected, within: 1e-7, "features")
        }
    }

    @Test("add", arguments: [1, 15, 17, 100, 16_384, 50_001])
    func add(_ count: Int) throws {
        let engine = try Engine(threads: 2)
        let (a, b) = (randomFloats(count, seed: 1), randomFloats(count, seed: 2))
        withWorkspace { memory in
            let target = memory.buffer(b + [7])
            Elementwise.add(engine, memory.buffer(a), to: target, count: count)
            expectSameBits(target.array, zip(b, a).map(+) + [7], "sum, and what lies behind it")
        }
    }

    @Test("zero")
    func zero() throws {
        let engine = try Engine(threads: 2)
        withWorkspace { memory in
            let target = memory.empty(40_000)
            Elementwise.zero(engine, target)
            #expect(target.array.allSatisfy { $0 == 0 })
        }
    }
}
