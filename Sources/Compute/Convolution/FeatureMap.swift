/// What a layer of a convolutional network hands to the next: [samples, height, width, channels] in float32.
public final class FeatureMap: @unchecked Sendable {
    public let samples: Int
    public let height: Int
    public let width: Int
    public let channels: Int
    let arena: Arena
    public let values: FloatBuffer
    /// Of each sample and channel, the sum over all pixels and that of the squares: [samples, 2, channels]. Whoever writes the
    /// values adds them up on the way, for the norm that comes next.
    var sums: [Double]

    init(samples: Int, height: Int, width: Int, channels: Int, in arena: Arena) {
        self.samples = samples
        self.height = height
        self.width = width
        self.channels = channels
        self.arena = arena
        values = arena.whole.slice(0, samples * height * width * channels)
        sums = []
    }

    public var pixels: Int { height * width }

    /// The first value of one sample.
    @inline(__always)
    func sample(_ sample: Int) -> UnsafeMutablePointer<Float> { values.base + sample * pixels * channels }
}

/// Memory of feature maps. What is handed back serves the next map of like size, and no more of it is kept than that.
public final class FeatureMemory {
    private var free: [Arena] = []
    /// Bytes in use and kept, and the most there were.
    public private(set) var bytes = 0
    public private(set) var peakBytes = 0

    public init() {}

    /// A map whose values mean nothing yet.
    public func map(samples: Int, height: Int, width: Int, channels: Int) -> FeatureMap {
        let wanted = samples * height * width * channels
        let arena: Arena
        if let index = free.firstIndex(where: { $0.capacity >= wanted && $0.capacity <= wanted + wanted / 4 }) {
            arena = free.remove(at: index)
        } else {
            bytes -= free.reduce(0) { $0 + $1.bytes }
            free.removeAll()
            arena = Arena("feature map", capacity: wanted)
            bytes += arena.bytes
            peakBytes = max(peakBytes, bytes)
        }
        return FeatureMap(samples: samples, height: height, width: width, channels: channels, in: arena)
    }

    /// Takes a map back, which must not be looked at any more.
    public func release(_ map: FeatureMap) { free.append(map.arena) }
}

extension FeatureMap {
    /// Takes images [samples, channels, height, width].
    public func load(_ images: FloatBuffer) {
        precondition(images.count == values.count, "images of another size")
        forEachValue { image, own in values[own] = images[image] }
    }

    /// Gives its values as images [samples, channels, height, width].
    public func store(into images: FloatBuffer) {
        precondition(images.count == values.count, "images of another size")
        forEachValue { image, own in images[image] = values[own] }
    }

    private func forEachValue(_ body: (_ image: Int, _ own: Int) -> Void) {
        for sample in 0..<samples {
            let start = sample * pixels * channels
            for channel in 0..<channels {
                for pixel in 0..<pixels {
                    body(start + channel * pixels + pixel, start + pixel * channels + channel)
                }
            }
        }
    }
}
