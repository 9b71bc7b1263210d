/// A filter of images: what weight a pixel has at a distance, in pixels of the coarser grid.
enum ResamplingFilter {
    /// The mean over an area.
    case box
    /// Keys' cubic convolution with a = -0.5 (IEEE Trans. Acoustics, Speech, and Signal Processing 29, 1981).
    case bicubic

    var support: Double { self == .box ? 0.5 : 2 }

    func weight(_ distance: Double) -> Double {
        switch self {
        case .box: return distance > -0.5 && distance <= 0.5 ? 1 : 0
        case .bicubic:
            let x = abs(distance)
            if x < 1 { return (1.5 * x - 2.5) * x * x + 1 }
            return x < 2 ? ((-0.5 * x + 2.5) * x - 4) * x + 2 : 0
        }
    }
}

/// For each pixel of a new row, the old pixels that it is made of, and their weights in fixed point.
private struct ResamplingWeights {
    /// Bits behind the point: with 8 bits of a pixel, and sums up to four times as large, 32 bits hold all.
    static let bits: Int32 = 22

    struct Pixel {
        let first: Int
        let weights: Range<Int>
    }
    private(set) var pixels: [Pixel] = []
    private(set) var weights: [Int32] = []

    init(_ filter: ResamplingFilter, from old: Int, to new: Int) {
        let scale = Double(old) / Double(new)
        // Enlarging, the filter spans old pixels; reducing, new ones.
        let stretch = max(scale, 1)
        let support = filter.support * stretch
        for pixel in 0..<new {
            let centre = (Double(pixel) + 0.5) * scale
            let first = max(Int(centre - support + 0.5), 0)
            let end = min(Int(centre + support + 0.5), old)
            let exact = (first..<end).map { filter.weight((Double($0) - centre + 0.5) / stretch) }
            let sum = exact.reduce(0, +)
            let start = weights.count
            weights += exact.map {
                Int32(($0 / sum * Double(1 << Self.bits)).rounded(.toNearestOrAwayFromZero))
            }
            pixels.append(Pixel(first: first, weights: start..<weights.count))
        }
    }
}

extension ByteImage {
    /// Scales an image, columns and then rows, each pass rounded to 8 bits: the arithmetic of Pillow's `resize`.
    func resized(width newWidth: Int, height newHeight: Int, _ filter: ResamplingFilter) -> ByteImage {
        precondition(newWidth > 0 && newHeight > 0, "\(newWidth) x \(newHeight)")
        let wide = newWidth == width ? self : resizedColumns(newWidth, filter)
        return newHeight == height ? wide : wide.resizedRows(newHeight, filter)
    }

    private func resizedColumns(_ newWidth: Int, _ filter: ResamplingFilter) -> ByteImage {
        let plan = ResamplingWeights(filter, from: width, to: newWidth)
        let values = [UInt8](unsafeUninitializedCapacity: newWidth * height * channels) { target, filled in
            pixels.withUnsafeBufferPointer { pixels in
                plan.weights.withUnsafeBufferPointer { weights in
                    for y in 0..<height {
                        for (x, pixel) in plan.pixels.enumerated() {
                            for channel in 0..<channels {
                                var sum = Self.half
                                var place = (y * width + pixel.first) * channels + channel
                                for weight in pixel.weights {
                                    sum &+= Int32(pixels[place]) &* weights[weight]
                                    place += channels
                                }
                                target[(y * newWidth + x) * channels + channel] = Self.byte(sum)
                            }
                        }
                    }
                }
            }
            filled = newWidth * height * channels
        }
        return ByteImage(width: newWidth, height: height, channels: channels, pixels: values)
    }

    private func resizedRows(_ newHeight: Int, _ filter: ResamplingFilter) -> ByteImage {
        let plan = ResamplingWeights(filter, from: height, to: newHeight)
        let row = width * channels
        let values = [UInt8](unsafeUninitializedCapacity: row * newHeight) { target, filled in
            withUnsafeTemporaryAllocation(of: Int32.self, capacity: row) { sums in
                pixels.withUnsafeBufferPointer { pixels in
                    for (y, pixel) in plan.pixels.enumerated() {
                        for x in 0..<row { sums[x] = Self.half }
                        for (line, index) in pixel.weights.enumerated() {
                            let weight = plan.weights[index]
                            let start = (pixel.first + line) * row
                            for x in 0..<row { sums[x] &+= Int32(pixels[start + x]) &* weight }
                        }
                        for x in 0..<row { target[y * row + x] = Self.byte(sums[x]) }
                    }
                }
            }
            filled = row * newHeight
        }
        return ByteImage(width: width, height: newHeight, channels: channels, pixels: values)
    }

    /// One half, so that the shift rounds.
    private static var half: Int32 { 1 << (ResamplingWeights.bits - 1) }

    private static func byte(_ sum: Int32) -> UInt8 { UInt8(min(max(sum >> ResamplingWeights.bits, 0), 255)) }
}

extension ByteImage {
    /// The square in the middle, scaled to a side, as ADM and DiT prepare images (Dhariwal & Nichol,
    /// "Diffusion Models Beat GANs on Image Synthesis", 2105.05233, and the data loaders published with both): halved
    /// by means of 2 x 2 pixels for as long as the shorter side is at least twice as long, then scaled by cubic convolution
    /// so that it fits, and cut out of the middle.
    public func centred(side: Int) -> ByteImage {
        precondition(side > 0, "a side of \(side) pixels")
        var image = self
        while min(image.width, image.height) >= 2 * side {
            image = image.resized(width: image.width / 2, height: image.height / 2, .box)
        }
        let scale = Double(side) / Double(min(image.width, image.height))
        // Halves to even numbers, as Python rounds.
        func scaled(_ length: Int) -> Int { Int((Double(length) * scale).rounded(.toNearestOrEven)) }
        image = image.resized(width: scaled(image.width), height: scaled(image.height), .bicubic)
        return image.cut(left: (image.width - side) / 2, top: (image.height - side) / 2, side: side)
    }

    private func cut(left: Int, top: Int, side: Int) -> ByteImage {
        if left == 0, top == 0, width == side, height == side { return self }
        var values: [UInt8] = []
        values.reserveCapacity(side * side * channels)
        for y in top..<top + side {
            let start = (y * width + left) * channels
            values += pixels[start..<start + side * channels]
        }
        return ByteImage(width: side, height: side, channels: channels, pixels: values)
    }
}
