import Compute
import TestSupport
import Testing

@Suite("Patches")
struct PatchesTests {
    static let shapes = [(4, 2, 4), (6, 3, 1), (8, 1, 3), (8, 8, 2), (12, 4, 5)]

    @Test("split orders a token's values as (channel, row, column)", arguments: shapes)
    func split(_ side: Int, _ patch: Int, _ channels: Int) {
        let image = randomFloats(channels * side * side, seed: 1)
        let grid = side / patch
        withWorkspace { memory in
            let tokens = memory.empty(image.count)
            Patches(side: side, patch: patch).split(memory.buffer(image).base, channels: channels, into: tokens.base)
            var expected: [Float] = []
            for token in 0..<grid * grid {
                for c in 0..<channels {
                    for y in 0..<patch {
                        for x in 0..<patch {
                            let (row, column) = (token / grid * patch + y, token % grid * patch + x)
                            expected.append(image[(c * side + row) * side + column])
                        }
                    }
                }
            }
            expectSameBits(tokens.array, expected, "tokens")
        }
    }

    @Test("join takes a token's values as (row, column, channel), and joinBackward undoes it", arguments: shapes)
    func join(_ side: Int, _ patch: Int, _ channels: Int) {
        let values = randomFloats(channels * side * side, seed: 1)
        let grid = side / patch
        let patches = Patches(side: side, patch: patch)
        withWorkspace { memory in
            let (image, back) = (memory.empty(values.count), memory.empty(values.count))
            patches.join(memory.buffer(values).base, channels: channels, into: image.base)
            patches.joinBackward(image.base, channels: channels, into: back.base)
            var expected = [Float](repeating: .nan, count: values.count)
            for c in 0..<channels {
                for row in 0..<side {
                    for column in 0..<side {
                        let token = row / patch * grid + column / patch
                        let inside = (row % patch * patch + column % patch) * channels + c
                        expected[(c * side + row) * side + column] = values[token * patch * patch * channels + inside]
                    }
                }
            }
            expectSameBits(image.array, expected, "image")
            // A permutation: its transpose, which is its gradient, is its inverse.
            expectSameBits(back.array, values, "tokens again")
        }
    }
}
