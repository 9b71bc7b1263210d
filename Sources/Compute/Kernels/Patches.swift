/// Images cut into patches and put together again: pure rearrangements.
///
/// Image [C, S, S]; g = S / P patches a side, T = g g tokens. A token's values before embedding are in the order
/// (channel, row, column), that of a convolution's weight; those of the final layer in the order (row, column,
/// channel), as published.
public struct Patches: Sendable {
    public let side: Int
    public let patch: Int

    public init(side: Int, patch: Int) {
        precondition(patch > 0 && side % patch == 0, "patches must tile the image")
        self.side = side
        self.patch = patch
    }

    private var grid: Int { side / patch }

    /// tokens [T, C P P] of one image [C, S, S].
    public func split(
        _ image: UnsafePointer<Float>, channels: Int, into tokens: UnsafeMutablePointer<Float>
    ) {
        var output = tokens
        for row in 0..<grid {
            for column in 0..<grid {
                for channel in 0..<channels {
                    let corner = image + (channel * side + row * patch) * side + column * patch
                    for line in 0..<patch {
                        output.update(from: corner + line * side, count: patch)
                        output += patch
                    }
                }
            }
        }
    }

    /// One image [O, S, S] from tokens [T, P P O].
    public func join(
        _ tokens: UnsafePointer<Float>, channels: Int, into image: UnsafeMutablePointer<Float>
    ) {
        forEachValue(channels) { token, pixel in image[pixel] = tokens[token] }
    }

    /// The gradient of `join`: tokens [T, P P O] from the image's [O, S, S].
    public func joinBackward(
        _ image: UnsafePointer<Float>, channels: Int, into tokens: UnsafeMutablePointer<Float>
    ) {
        forEachValue(channels) { token, pixel in tokens[token] = image[pixel] }
    }

    @inline(__always)
    private func forEachValue(_ channels: Int, _ body: (_ token: Int, _ pixel: Int) -> Void) {
        var token = 0
        for row in 0..<grid {
            for column in 0..<grid {
                for line in 0..<patch {
                    for dot in 0..<patch {
                        for channel in 0..<channels {
                            body(token, (channel * side + row * patch + line) * side + column * patch + dot)
                            token += 1
                        }
                    }
                }
            }
        }
    }
}
