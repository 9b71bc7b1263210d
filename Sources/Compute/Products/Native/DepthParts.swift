/// How a product's depth is cut, so that a block of B's columns over one part of it stays in the nearer caches.
enum DepthParts {
    private static let deepest = 512

    /// Steps along the depth of a part. What is added to C is a sum of its own, whose chain is not cut.
    static func size(_ shape: ProductShape) -> Int {
        let parts = shape.accumulates ? 1 : (shape.depth + deepest - 1) / deepest
        return (shape.depth + parts - 1) / parts
    }
}
