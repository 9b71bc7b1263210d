import Compute
import TestSupport
import Testing

@Suite("Reductions")
struct ReductionsTests {
    @Test("sums of squares by block", arguments: [1, 3, 4095, 4096, 4097, 50_001])
    func squares(_ count: Int) throws {
        let engine = try Engine(threads: 2)
        let values = randomFloats(count, seed: 1)
        withWorkspace { memory in
            var partial = [Double](repeating: .nan, count: Reductions.blocks(count))
            partial.withUnsafeMutableBufferPointer {
                Reductions.squares(engine, memory.buffer(values), into: $0)
            }
            for (index, sum) in partial.enumerated() {
                let block = values[index * Reductions.block..<min((index + 1) * Reductions.block, count)]
                let exact = block.reduce(0.0) { $0 + Double($1) * Double($1) }
                #expect(abs(sum - exact) <= 1e-13 * exact)
            }
        }
    }

    @Test("slices that start at a block's border give the whole's bits")
    func slices() throws {
        let engine = try Engine(threads: 2)
        let values = randomFloats(5 * Reductions.block + 77, seed: 1)
        withWorkspace { memory in
            let buffer = memory.buffer(values)
            func sums(_ buffer: FloatBuffer) -> [Double] {
                var partial = [Double](repeating: 0, count: Reductions.blocks(buffer.count))
                partial.withUnsafeMutableBufferPointer { Reductions.squares(engine, buffer, into: $0) }
                return partial
            }
            let cut = 2 * Reductions.block
            #expect(sums(buffer) == sums(buffer.slice(0, cut)) + sums(buffer.slice(cut, buffer.count - cut)))
        }
    }

    @Test("a copy has all values, and tells whether they are finite", arguments: [0, 1, 4095, 4097, 1_100_003])
    func copies(_ count: Int) throws {
        let engine = try Engine(threads: 3)
        let values = randomFloats(count, seed: 1)
        withWorkspace { memory in
            let (source, copy) = (memory.buffer(values), memory.buffer(randomFloats(count + 1, seed: 2)))
            let rest = copy[count]
            #expect(Reductions.copy(engine, source, to: copy))
            #expect(copy.slice(0, count).array == values && copy[count] == rest)
            for (place, odd) in zip([0, count / 2, count - 1], [Float.nan, .infinity, -.infinity]) where count > 0 {
                source[place] = odd
                #expect(!Reductions.copy(engine, source, to: copy) && !Reductions.isFinite(engine, source))
                #expect(copy[place].bitPattern == odd.bitPattern)
                source[place] = values[place]
            }
            #expect(Reductions.copy(engine, source, to: copy) && Reductions.isFinite(engine, source))
        }
    }
}
