import Glibc
import TestSupport
import Testing

@testable import Compute

@Suite("Convolutions, group norms and attention over images")
struct ConvolutionTests {
    /// Odd sides, several tiles each way, channels of less and more than a vector.
    static let shapes: [(samples: Int, height: Int, width: Int, inputs: Int, outputs: Int)] = [
        (1, 1, 1, 3, 5), (2, 5, 7, 3, 20), (1, 9, 33, 17, 8), (1, 17, 40, 4, 3), (1, 8, 32, 16, 32),
    ]
    static let geometries: [ConvolutionLayer.Geometry] = [.same(kernel: 3), .same(kernel: 1), .halving, .doubling]

    private struct Layer {
        let weights, bias: [Float]

        init(_ inputs: Int, _ outputs: Int, _ kernel: Int) {
            weights = randomFloats(inputs * outputs * kernel * kernel, seed: 3, scale: 0.3)
            bias = randomFloats(outputs, seed: 4)
        }
    }

    private func expectLikeNaive(
        _ shape: (samples: Int, height: Int, width: Int, inputs: Int, outputs: Int),
        _ geometry: ConvolutionLayer.Geometry, _ engine: Engine, within tolerance: Double
    ) {
        let (samples, height, width, inputs, outputs) = shape
        if geometry == .halving, height < 2 || width < 2 { return }
        let layer = Layer(inputs, outputs, geometry.storedKernel)
        let images = randomFloats(samples * inputs * height * width, seed: 5)
        withMemory { memory in
            let convolution = ConvolutionLayer(
                engine, inputs: inputs, outputs: outputs, geometry, weights: memory.floats(layer.weights),
                bias: memory.floats(layer.bias))
            let features = FeatureMemory()
            let input = features.map(samples: samples, height: height, width: width, channels: inputs)
            input.load(memory.floats(images))
            let (h, w) = (geometry.side(height), geometry.side(width))
            let output = features.map(samples: samples, height: h, width: w, channels: outputs)
            let scratch = ConvolutionScratch(engine)
            convolution.run(input, into: output, scratch: scratch)
            let found = memory.zeros(output.values.count)
            output.store(into: found)
            var expected = Naive.convolution(
                images.doubles, samples: samples, channels: inputs, height: height, width: width, geometry,
                weights: layer.weights.doubles, bias: layer.bias.doubles)
            expectClose(found.array, expected, within: tolerance, "\(shape) \(geometry)")
            expectSums(output, expected)
            // Once more, added to what is there.
            convolution.run(input, residual: output, into: output, scratch: scratch)
            output.store(into: found)
            expected = expected.map { 2 * $0 }
            expectClose(found.array, expected, within: tolerance, "added, \(shape) \(geometry)")
        }
    }

    private func expectSums(_ map: FeatureMap, _ images: [Double]) {
        for sample in 0..<map.samples {
            for channel in 0..<map.channels {
                let start = (sample * map.channels + channel) * map.pixels
                let values = images[start..<start + map.pixels]
                let (sum, squares) = (values.reduce(0, +), values.reduce(0) { $0 + $1 * $1 })
                let place = sample * 2 * map.channels + channel
                let size = squares.squareRoot() * Double(map.pixels).squareRoot() + 1
                #expect(abs(map.sums[place] - sum) < 2e-2 * size)
                #expect(abs(map.sums[place + map.channels] - squares) < 2e-2 * (squares + 1))
            }
        }
    }

    @Test("like a naive one, at odd sizes", arguments: geometries, Arithmetic.float32)
    func float32(_ geometry: ConvolutionLayer.Geometry, _ arithmetic: Arithmetic) throws {
        let engine = try arithmetic.engine()
        for shape in Self.shapes { expectLikeNaive(shape, geometry, engine, within: 1e-6) }
    }

    @Test("by own kernels where oneDNN is not installed", arguments: geometries)
    func withoutLibrary(_ geometry: ConvolutionLayer.Geometry) throws {
        let engine = try Engine(threads: 2, .native(convolutions: nil), .float32)
        for shape in Self.shapes + [(1, 9, 33, 20, 256)] { expectLikeNaive(shape, geometry, engine, within: 1e-6) }
    }

    @Test("in bfloat16, which beside own kernels rounds nothing", arguments: geometries, Arithmetic.bfloat16)
    func bfloat16(_ geometry: ConvolutionLayer.Geometry, _ arithmetic: Arithmetic) throws {
        let engine = try arithmetic.engine()
        let tolerance = arithmetic.library == .native ? 1e-6 : 8e-3
        for shape in Self.shapes { expectLikeNaive(shape, geometry, engine, within: tolerance) }
    }

    /// oneDNN 2.6 keeps the element type of the convolution that it is making in a variable of the whole process. Sizes are
    /// such as it has not made before.
    @Test("of both precisions, made by several threads at once", .bfloat16)
    func madeAtOnce() async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            for arithmetic in [Arithmetic.oneDNN, .oneDNNBFloat16] {
                group.addTask {
                    let engine = try arithmetic.engine(threads: 1)
                    for (height, width) in (1...8).flatMap({ height in (1...8).map { (height, $0) } }) {
                        for inputs in stride(from: 1, through: 40, by: 3) {
                            expectLikeNaive((1, height, width, inputs, 9), .same(kernel: 3), engine, within: 8e-3)
                        }
                    }
                }
            }
            try await group.waitForAll()
        }
    }

    @Test("a group norm with SiLU goes before it", arguments: [1, 4], Arithmetic.float32)
    func normalised(_ groups: Int, _ arithmetic: Arithmetic) throws {
        let (samples, height, width, channels) = (2, 9, 35, 20)
        let engine = try arithmetic.engine()
        let pixels = height * width
        // Far from zero, where a variance from the sums of squares loses digits.
        let images = randomFloats(samples * channels * pixels, seed: 1).map { $0 + 3 }
        let (scale, shift) = (randomFloats(channels, seed: 2), randomFloats(channels, seed: 6))
        withMemory { memory in
            func layer(_ weights: [Float], kernel: Int) -> ConvolutionLayer {
                ConvolutionLayer(
                    engine, inputs: channels, outputs: channels, .same(kernel: kernel),
                    weights: memory.floats(weights), bias: memory.zeros(channels))
            }
            var identity = [Float](repeating: 0, count: channels * channels)
            for channel in 0..<channels { identity[channel * channels + channel] = 1 }
            let weights = randomFloats(channels * channels * 9, seed: 7, scale: 0.1)
            let (features, scratch) = (FeatureMemory(), ConvolutionScratch(engine))
            func map() -> FeatureMap {
                features.map(samples: samples, height: height, width: width, channels: channels)
            }
            let (input, middle, output) = (map(), map(), map())
            input.load(memory.floats(images))
            layer(identity, kernel: 1).run(input, into: middle, scratch: scratch)
            let norm = ChannelNorm(
                middle, groups: groups, epsilon: 1e-6, scale: memory.floats(scale), shift: memory.floats(shift),
                appliesSiLU: true)
            layer(weights, kernel: 3).run(middle, norm: norm, into: output, scratch: scratch)
            let found = memory.zeros(output.values.count)
            output.store(into: found)
            let normalised = Naive.groupNorm(
                images.doubles, samples: samples, channels: channels, pixels: pixels, groups: groups,
                scale: scale.doubles, shift: shift.doubles
            ).map(Naive.silu)
            let expected = Naive.convolution(
                normalised, samples: samples, channels: channels, height: height, width: width, .same(kernel: 3),
                weights: weights.doubles, bias: [Double](repeating: 0, count: channels))
            expectClose(found.array, expected, within: 2e-6, "\(groups) groups")
        }
    }

    @Test("bits depend neither on threads nor on what else is there")
    func sameBits() throws {
        let (height, width, channels) = (19, 70, 12)
        let layer = Layer(channels, channels, 3)
        let images = randomFloats(2 * channels * height * width, seed: 5)
        func run(threads: Int, _ images: ArraySlice<Float>) throws -> [Float] {
            let engine = try Arithmetic.oneDNN.engine(threads: threads)
            return withMemory { memory in
                let convolution = ConvolutionLayer(
                    engine, inputs: channels, outputs: channels, .same(kernel: 3),
                    weights: memory.floats(layer.weights), bias: memory.floats(layer.bias))
                let features = FeatureMemory()
                let samples = images.count / (channels * height * width)
                func map() -> FeatureMap {
                    features.map(samples: samples, height: height, width: width, channels: channels)
                }
                let (input, output) = (map(), map())
                input.load(memory.floats(Array(images)))
                convolution.run(input, into: output, scratch: ConvolutionScratch(engine))
                let found = memory.zeros(output.values.count)
                output.store(into: found)
                return found.array
            }
        }
        let whole = try run(threads: 3, images[...])
        expectSameBits(try run(threads: 1, images[...]), whole, "one thread")
        let half = images.count / 2
        expectSameBits(try run(threads: 2, images.suffix(half)), Array(whole.suffix(half)), "the second alone")
    }

    @Test("attention like a naive one", arguments: [1, 63, 64, 150], Arithmetic.float32)
    func attention(_ pixels: Int, _ arithmetic: Arithmetic) throws {
        let (samples, channels) = (2, 24)
        let engine = try arithmetic.engine()
        let parts = (0..<3).map { randomFloats(samples * channels * pixels, seed: UInt64($0) + 1) }
        withMemory { memory in
            let features = FeatureMemory()
            let maps = parts.map { values in
                let map = features.map(samples: samples, height: 1, width: pixels, channels: channels)
                map.values.copy(from: values)
                return map
            }
            ImageAttention(engine, channels: channels).run(queries: maps[0], keys: maps[1], values: maps[2])
            var expected: [Double] = []
            let half = channels * pixels
            for sample in 0..<samples {
                let (q, k, v) = (0..<3).map { Array(parts[$0][sample * half..<(sample + 1) * half]).doubles }.triple
                let scores = Naive.multiply(q, k, pixels, pixels, channels, transposeB: true)
                var weights = scores
                for row in 0..<pixels {
                    let own = row * pixels..<(row + 1) * pixels
                    let exponents = scores[own].map { exp($0 / Double(channels).squareRoot()) }
                    let sum = exponents.reduce(0, +)
                    for (place, value) in zip(own, exponents) { weights[place] = value / sum }
                }
                expected += Naive.multiply(weights, v, pixels, channels, pixels)
            }
            let found = withExtendedLifetime(maps) { maps[0].values.array }
            expectClose(found, expected, within: 2e-6, "\(pixels) pixels")
        }
    }

    @Test("memory that is handed back serves again")
    func memory() {
        let features = FeatureMemory()
        let first = features.map(samples: 1, height: 4, width: 4, channels: 16)
        let base = first.values.base
        features.release(first)
        let second = features.map(samples: 1, height: 4, width: 4, channels: 16)
        #expect(second.values.base == base && features.peakBytes == 1024)
        let third = features.map(samples: 1, height: 8, width: 8, channels: 16)
        #expect(features.peakBytes == 5 * 1024 && third.values.count == 1024)
    }

    @Test("tiles cover an image, and are nearly equal")
    func tiles() {
        for side in 1...100 {
            let tiling = Tiling(height: side, width: side)
            #expect(tiling.rows * tiling.down >= side && tiling.rows * (tiling.down - 1) < side)
            #expect(tiling.columns * tiling.across >= side && tiling.columns * (tiling.across - 1) < side)
            #expect(tiling.rows <= 8 && tiling.columns <= 32)
        }
    }
}

extension Array {
    fileprivate var triple: (Element, Element, Element) { (self[0], self[1], self[2]) }
}
