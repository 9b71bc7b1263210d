import Compute
import TestSupport
import Testing

@Suite("Patches")
struct PatchesTests {
    static let shapes = [(4, 2, 4), (6, 3, 1), (8, 1, 3), (8, 8, 2), (12, 4, 5)]

    @Test("split orders a token's values as (channel, row, column)", arguments: shapes)
    func split(_ side: Int, _ patch: Int, _ channels: Int) {
        let image = randomFloats(channels * side * side, seed: 1)
        let (grid, patches) = (side / patch, Patches(side: side, patch: patch))
        for token in 0..<grid * grid {
            var expected: [Float] = []
            for c in 0..<channels {
                for y in 0..<patch {
                    for x in 0..<patch {
                        let (row, column) = (token / grid * patch + y, token % grid * patch + x)
                        expected.append(image[(c * side + row) * side + column])
                    }
                }
            }
            withWorkspace { memory in
                let values = memory.empty(channels * patch * patch)
                patches.split(memory.buffer(image).base, channels: channels, token: token, into: values.base)
                expectSameBits(values.array, expected, "token \(token)")
            }
        }
    }

    @Test("join takes a token's values as (row, column, channel), and joinBackward undoes it", arguments: shapes)
    func join(_ side: Int, _ patch: Int, _ channels: Int) {
        let values = randomFloats(channels * side * side, seed: 1)
        let (grid, patches) = (side / patch, Patches(side: side, patch: patch))
        let own = patch * patch * channels
        withWorkspace { memory in
            let (tokens, image, back) = (memory.buffer(values), memory.empty(values.count), memory.empty(values.count))
            for token in 0..<grid * grid {
                patches.join(tokens.base + token * own, channels: channels, token: token, into: image.base)
                let written = image.array.filter { !$0.isNaN }.count
                #expect(written == (token + 1) * own, "a token's pixels, and no other's")
            }
            for token in 0..<grid * grid {
                patches.joinBackward(image.base, channels: channels, token: token, into: back.base + token * own)
            }
            var expected = [Float](repeating: .nan, count: values.count)
            for c in 0..<channels {
                for row in 0..<side {
                    for column in 0..<side {
                        let token = row / patch * grid + column / patch
                        let inside = (row % patch * patch + column % patch) * channels + c
                        expected[(c * side + row) * side + column] = values[token * own + inside]
                    }
                }
            }
            expectSameBits(image.array, expected, "image")
            // A permutation: its transpose, which is its gradient, is its inverse.
            expectSameBits(back.array, values, "tokens again")
        }
    }
}
