/// Small images go through the network together, so that all threads have work; large ones alone.
enum ImageBatches {
    private static let pixels = 128 * 128

    static func forEach(_ count: Int, pixels: Int, _ body: (Range<Int>) -> Void) {
        let most = max(1, Self.pixels / pixels)
        for first in stride(from: 0, to: count, by: most) { body(first..<min(first + most, count)) }
    }
}
