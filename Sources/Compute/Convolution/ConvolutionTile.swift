/// The part of an image that a tile's windows see.
struct TileSource {
    /// [height, width, channels]
    let base: UnsafePointer<Float>
    let height: Int
    let width: Int
    /// The first pixel, which may lie outside of the image.
    let top: Int
    let left: Int

    /// Copies it, with zeros for what lies outside of the image, normalised on the way.
    ///
    /// - Parameter target: [inputRows, inputColumns, inputs] of the shape's elements.
    func fill(_ target: UnsafeMutableRawPointer, _ shape: ConvolutionShape, _ norm: ChannelNorm?, sample: Int) {
        switch shape.element {
        case .float32: fill(StoredFloat32.self, target, shape, norm, sample)
        case .bfloat16: fill(StoredBFloat16.self, target, shape, norm, sample)
        }
    }

    private func fill<E: StoredElement>(
        _: E.Type, _ target: UnsafeMutableRawPointer, _ shape: ConvolutionShape, _ norm: ChannelNorm?, _ sample: Int
    ) {
        let channels = shape.inputs
        let (first, end) = (max(left, 0), min(left + shape.inputColumns, width))
        let pixelBytes = channels * shape.element.bytes
        for row in 0..<shape.inputRows {
            let line = target + row * shape.inputColumns * pixelBytes
            let y = top + row
            guard y >= 0, y < height, first < end else {
                line.initializeMemory(as: UInt8.self, repeating: 0, count: shape.inputColumns * pixelBytes)
                continue
            }
            let (before, after) = ((first - left) * pixelBytes, (left + shape.inputColumns - end) * pixelBytes)
            line.initializeMemory(as: UInt8.self, repeating: 0, count: before)
            (line + shape.inputColumns * pixelBytes - after).initializeMemory(
                as: UInt8.self, repeating: 0, count: after)
            let source = base + (y * width + first) * channels
            if let norm {
                norm.apply(E.self, source, into: line + before, bytes: pixelBytes, pixels: end - first, sample: sample)
            } else {
                for (i, n) in vectors((end - first) * channels) { E.store(load(source + i, n), line + before, i, n) }
            }
        }
    }
}

/// Where a tile's output goes.
struct TileTarget {
    /// [height, width, channels]
    let base: UnsafeMutablePointer<Float>
    /// The same of what is added; may be the same memory.
    let residual: UnsafeMutablePointer<Float>?
    let width: Int
    /// Pixels from one of the tile's to the next, both ways.
    let step: Int
    /// The first pixel.
    let top: Int
    let left: Int
    /// Of the tile that lie in the image.
    let rows: Int
    let columns: Int

    /// Adds bias and residual to what a convolution gave, and stores it.
    ///
    /// - Parameter sums: [2, outputs], takes each channel's sum and that of its squares over the tile.
    func put(
        _ values: UnsafePointer<Float>, _ shape: ConvolutionShape, bias: UnsafePointer<Float>,
        sums: UnsafeMutablePointer<Double>
    ) {
        let channels = shape.outputs
        sums.update(repeating: 0, count: 2 * channels)
        for row in 0..<rows {
            let line = ((top + row * step) * width + left) * channels
            let source = values + row * shape.columns * channels
            for (i, n) in vectors(channels) {
                let added = load(bias + i, n)
                // Floats over one row of a tile, doubles over rows.
                var (sum, squares) = (Vector(), Vector())
                for column in 0..<columns {
                    let place = line + column * step * channels + i
                    var v = load(source + column * channels + i, n) + added
                    if let residual { v += load(residual + place, n) }
                    store(v, base + place, n)
                    sum += v
                    squares = multiplyAdd(v, v, squares)
                }
                for lane in 0..<min(n, 16) {
                    sums[i + lane] += Double(sum[lane])
                    sums[channels + i + lane] += Double(squares[lane])
                }
            }
        }
    }
}
