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

    /// The pixel at which a token's patch starts, in one channel.
    private func corner(_ token: Int) -> Int {
        let (row, column) = token.quotientAndRemainder(dividingBy: grid)
        return (row * side + column) * patch
    }

    /// One token's values [C P P] of an image [C, S, S].
    public func split(
        _ image: UnsafePointer<Float>, channels: Int, token: Int, into values: UnsafeMutablePointer<Float>
    ) {
        var output = values
        for channel in 0..<channels {
            let start = image + channel * side * side + corner(token)
            for line in 0..<patch {
                output.update(from: start + line * side, count: patch)
                output += patch
            }
        }
    }

    /// Puts one token's values [P P O] into an image [O, S, S].
    public func join(
        _ values: UnsafePointer<Float>, channels: Int, token: Int, into image: UnsafeMutablePointer<Float>
    ) {
        forEachValue(channels, token) { value, pixel in image[pixel] = values[value] }
    }

    /// The gradient of `join`: a token's values [P P O] from the image's [O, S, S].
    public func joinBackward(
        _ image: UnsafePointer<Float>, channels: Int, token: Int, into values: UnsafeMutablePointer<Float>
    ) {
        forEachValue(channels, token) { value, pixel in values[value] = image[pixel] }
    }

    @inline(__always)
    private func forEachValue(_ channels: Int, _ token: Int, _ body: (_ value: Int, _ pixel: Int) -> Void) {
        let start = corner(token)
        var value = 0
        for line in 0..<patch {
            for dot in 0..<patch {
                for channel in 0..<channels {
                    body(value, channel * side * side + start + line * side + dot)
                    value += 1
                }
            }
        }
    }
}
