/// What the numbers of a network may be.
///
/// Upper ends are far beyond use; they keep sizes computed from them within an Int. Jobs and packed data sets read
/// them here.
extension ModelConfiguration {
    public static let imageSizeLimit = 1...16_384
    public static let channelsLimit = 1...4_096
    /// A patch is at most the whole image.
    public static let patchSizeLimit = imageSizeLimit
    /// 4 is one pair of sines and cosines for each axis of the image.
    public static let widthLimit = 4...65_536
    public static let headsLimit = 1...widthLimit.upperBound
    /// 0 in an FPDM only, which ignores it.
    public static let depthLimit = 0...10_000
    /// More than 0 and at most this.
    public static let mostMLPRatio = 64.0
    /// 0 only where there are no labels. A float32 holds each of these numbers.
    public static let classesLimit = 0...16_777_216
    public static let preDepthLimit = 0...10_000
    public static let postDepthLimit = 0...10_000
    /// Iterations of one fixed-point solve, those with and those without a gradient each.
    public static let solveIterationsLimit = 0...10_000
}

extension ModelConfiguration {
    /// What makes this network impossible, each with its remedy; empty when it can be built.
    public var problems: [(field: String, message: String)] { problems(unknown: []) }

    /// What makes this network impossible whatever the values of some fields are, each with its remedy.
    ///
    /// The field comes first, named as in a job's `model` section.
    ///
    /// - Parameter unknown: fields whose values say nothing, because their author's could not be read.
    public func problems(unknown: Set<String>) -> [(field: String, message: String)] {
        var found: [(field: String, message: String)] = []
        func sound(_ fields: String...) -> Bool {
            !fields.contains { field in unknown.contains(field) || found.contains { $0.field == field } }
        }
        func check(_ holds: Bool, _ field: String, _ message: @autoclosure () -> String) {
            if !holds, sound(field) { found.append((field, message())) }
        }
        func check(_ value: Int, in limit: ClosedRange<Int>, _ field: String, remedy: String = "") {
            check(
                limit.contains(value), field,
                "must be from \(limit.lowerBound) to \(limit.upperBound), is \(value)\(remedy)")
        }
        // Each by itself.
        check(imageSize, in: Self.imageSizeLimit, "imageSize")
        check(channels, in: Self.channelsLimit, "channels")
        check(patchSize, in: Self.patchSizeLimit, "patchSize")
        check(width, in: Self.widthLimit, "width")
        check(width % 4 == 0, "width", "must be a multiple of 4, is \(width)")
        check(heads, in: Self.headsLimit, "heads")
        check(
            mlpRatio > 0 && mlpRatio <= Self.mostMLPRatio, "mlpRatio",
            "must be more than 0 and at most \(Int(Self.mostMLPRatio)), is \(mlpRatio)")

        // Together: only where each of them is what its author meant.
        if sound("conditioning"), conditioning != .none {
            check(
                classes, in: max(1, Self.classesLimit.lowerBound)...Self.classesLimit.upperBound, "classes",
                remedy: "; for no labels set conditioning: none")
        }
        if sound("fixedPoint") {
            if fixedPoint {
                check(preDepth, in: Self.preDepthLimit, "preDepth")
                check(postDepth, in: Self.postDepthLimit, "postDepth")
            } else {
                check(depth, in: max(1, Self.depthLimit.lowerBound)...Self.depthLimit.upperBound, "depth")
            }
        }
        if sound("imageSize", "patchSize") {
            check(
                imageSize % patchSize == 0, "patchSize",
                "\(patchSize) does not divide the image side \(imageSize); choose a divisor")
        }
        if sound("width", "heads") {
            check(width % heads == 0, "heads", "\(heads) heads do not divide the width \(width); choose a divisor")
        }
        if sound("width", "mlpRatio") {
            check(
                mlpWidth > 0, "mlpRatio",
                "\(mlpRatio) of the width \(width) leaves no hidden layer; choose a larger one")
        }
        return found
    }
}
