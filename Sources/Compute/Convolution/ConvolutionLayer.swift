/// A convolution with its weights and bias, over feature maps: what goes in may be normalised on its way, what comes out is
/// added up for the next norm. Nothing of the image's size stands in memory but its input and its output.
///
/// Its output is cut into tiles by the image's sides alone; each is a task, with a halo of exactly what its windows see.
/// So bits depend neither on threads nor on how many images there are.
public final class ConvolutionLayer {
    public let inputs: Int
    public let outputs: Int
    public let geometry: Geometry
    private let engine: Engine
    private let weights: UnsafePointer<Float>
    private let bias: UnsafePointer<Float>
    /// The weights of the phases, packed for one shape of tiles.
    private var packed: Packed?

    /// Where the window of an output pixel lies.
    public enum Geometry: Sendable, Equatable {
        /// Around the pixel itself; beyond the image are zeros. `kernel` is odd.
        case same(kernel: Int)
        /// 3 x 3, every second pixel each way, from the pixel itself on: zeros stand behind the right and lower edges only.
        case halving
        /// The image is doubled each way by repeating its pixels, then 3 x 3 around each pixel. It is formed without
        /// doubling: pixels of even and odd rows and columns each are a convolution of 2 x 2 over the image as it is, whose
        /// weights are sums of the 3 x 3 ones.
        case doubling

        /// Of the convolutions that are run.
        var kernel: Int {
            switch self {
            case .same(let kernel): kernel
            case .halving: 3
            case .doubling: 2
            }
        }
        var stride: Int { self == .halving ? 2 : 1 }
        /// Of each side of the stored weights.
        public var storedKernel: Int { self == .doubling ? 3 : kernel }
        var phases: Int { self == .doubling ? 4 : 1 }
        /// A side of the output.
        public func side(_ input: Int) -> Int {
            switch self {
            case .same: input
            case .halving: input / 2
            case .doubling: 2 * input
            }
        }
        /// Where the first output pixel's window starts, one way.
        func origin(_ phase: Int) -> Int {
            switch self {
            case .same(let kernel): -(kernel / 2)
            case .halving: 0
            case .doubling: phase - 1
            }
        }
    }

    private struct Packed {
        let convolution: PreparedConvolution
        let memory: UnsafeMutableRawPointer
        let stride: Int
    }

    /// - Parameters:
    ///   - weights: [outputs, inputs, kernel, kernel], read whenever the tiles' shape changes.
    ///   - bias: [outputs]. Both must stay where they are.
    public init(
        _ engine: Engine, inputs: Int, outputs: Int, _ geometry: Geometry, weights: FloatBuffer, bias: FloatBuffer
    ) {
        let kernel = geometry.storedKernel
        precondition(
            weights.count == outputs * inputs * kernel * kernel && bias.count == outputs, "weights of another layer")
        self.engine = engine
        self.inputs = inputs
        self.outputs = outputs
        self.geometry = geometry
        self.weights = UnsafePointer(weights.base)
        self.bias = UnsafePointer(bias.base)
    }

    deinit { packed?.memory.deallocate() }

    /// Bytes of packed weights.
    public var bytes: Int { packed.map { $0.stride * geometry.phases } ?? 0 }

    /// output = convolution of norm(input) + bias, + residual.
    ///
    /// - Parameters:
    ///   - norm: what is done to the input on its way; nil for nothing.
    ///   - residual: of the output's shape, and may be the output itself.
    ///   - scratch: of a pass at a time.
    public func run(
        _ input: FeatureMap, norm: ChannelNorm? = nil, residual: FeatureMap? = nil, into output: FeatureMap,
        scratch: ConvolutionScratch
    ) {
        precondition(
            input.channels == inputs && output.channels == outputs && output.samples == input.samples
                && output.height == geometry.side(input.height) && output.width == geometry.side(input.width),
            "maps of another layer")
        // Tiles are of the image as the convolutions see it: of one phase.
        let phases = geometry.phases
        let (height, width) = phases == 1 ? (output.height, output.width) : (input.height, input.width)
        let tiling = Tiling(height: height, width: width)
        let packed = prepare(tiling)
        let shape = packed.convolution.shape
        let tasks = phases * tiling.count
        scratch.grow(shape, sums: input.samples * tasks * 2 * outputs)
        engine.pool.parallelFor(input.samples * tasks) { task, worker in
            let (sample, place) = task.quotientAndRemainder(dividingBy: tasks)
            let (phase, tile) = place.quotientAndRemainder(dividingBy: tiling.count)
            let (top, left) = (tile / tiling.across * tiling.rows, tile % tiling.across * tiling.columns)
            let (phaseRow, phaseColumn) = phase.quotientAndRemainder(dividingBy: 2)
            let source = TileSource(
                base: input.sample(sample), height: input.height, width: input.width,
                top: top * shape.stride + geometry.origin(phaseRow),
                left: left * shape.stride + geometry.origin(phaseColumn))
            source.fill(scratch.input(worker), shape, norm, sample: sample)
            packed.convolution.run(
                scratch.input(worker), packed: packed.memory + phase * packed.stride, into: scratch.output(worker),
                worker: worker)
            let step = phases == 1 ? 1 : 2
            TileTarget(
                base: output.sample(sample), residual: residual?.sample(sample), width: output.width, step: step,
                top: top * step + phaseRow, left: left * step + phaseColumn,
                rows: min(shape.rows, height - top), columns: min(shape.columns, width - left)
            ).put(scratch.output(worker), shape, bias: bias, sums: scratch.sums.base + task * 2 * outputs)
        }
        output.sums = scratch.total(samples: input.samples, parts: tasks, values: 2 * outputs)
    }

    /// The convolution of a shape of tiles, and the weights packed for it. Images of one size need it once.
    private func prepare(_ tiling: Tiling) -> Packed {
        let shape = ConvolutionShape(
            inputs: inputs, outputs: outputs, kernel: geometry.kernel, stride: geometry.stride, rows: tiling.rows,
            columns: tiling.columns, element: engine.backend.imageElement(engine.precision))
        if let packed, packed.convolution.shape == shape { return packed }
        packed?.memory.deallocate()
        let convolution = engine.convolutions(shape, engine)
        let stride = (convolution.packedBytes + 4095) / 4096 * 4096
        let memory = UnsafeMutableRawPointer.allocate(byteCount: stride * geometry.phases, alignment: 4096)
        memory.initializeMemory(as: UInt8.self, repeating: 0, count: stride * geometry.phases)
        if geometry == .doubling {
            for phase in 0..<4 {
                phaseWeights(phase).withUnsafeBufferPointer {
                    if let values = $0.baseAddress { convolution.pack(values, into: memory + phase * stride) }
                }
            }
        } else {
            convolution.pack(weights, into: memory)
        }
        let made = Packed(convolution: convolution, memory: memory, stride: stride)
        packed = made
        return made
    }

    /// [outputs, inputs, 2, 2]: where two of the three rows (columns) of a window fall on one pixel, their weights add up.
    private func phaseWeights(_ phase: Int) -> [Float] {
        let (down, across) = phase.quotientAndRemainder(dividingBy: 2)
        // Of even rows the lower two fall together, of odd rows the upper two.
        func place(_ k: Int, _ phase: Int) -> Int { phase == 0 ? (k == 0 ? 0 : 1) : (k == 2 ? 1 : 0) }
        var sums = [Float](repeating: 0, count: outputs * inputs * 4)
        for pair in 0..<outputs * inputs {
            for k in 0..<9 {
                sums[pair * 4 + place(k / 3, down) * 2 + place(k % 3, across)] += weights[pair * 9 + k]
            }
        }
        return sums
    }
}

/// What threads work on during a pass of a convolution; grows with the passes.
public final class ConvolutionScratch: @unchecked Sendable {
    private let workers: Int
    private let inputs: ProductScratch
    private let outputs: ProductScratch
    private var partial = Arena("convolution sums", capacity: 0)
    private(set) var sums = DoubleBuffer(UnsafeMutablePointer(bitPattern: 64)!, count: 0)

    public init(_ engine: Engine) {
        workers = engine.pool.threadCount
        inputs = ProductScratch(workers: workers)
        outputs = ProductScratch(workers: workers)
    }

    public var bytes: Int { inputs.bytes + outputs.bytes + partial.bytes }

    func grow(_ shape: ConvolutionShape, sums count: Int) {
        inputs.grow(to: shape.inputBytes)
        outputs.grow(to: shape.outputValues * MemoryLayout<Float>.stride)
        guard count > sums.count else { return }
        (partial, sums) = Arena.build("convolution sums") { $0.takeDoubles(count) }
    }

    func input(_ worker: Int) -> UnsafeMutableRawPointer { part(inputs, worker) }

    func output(_ worker: Int) -> UnsafeMutablePointer<Float> {
        part(outputs, worker).assumingMemoryBound(to: Float.self)
    }

    private func part(_ memory: ProductScratch, _ worker: Int) -> UnsafeMutableRawPointer {
        guard let own = memory[worker] else { preconditionFailure("scratch memory that was not grown") }
        return own
    }

    /// The sums of each sample, added up in the order of its parts.
    func total(samples: Int, parts: Int, values: Int) -> [Double] {
        var total = [Double](repeating: 0, count: samples * values)
        for sample in 0..<samples {
            for part in 0..<parts {
                let own = sums.base + (sample * parts + part) * values
                for value in 0..<values { total[sample * values + value] += own[value] }
            }
        }
        return total
    }
}
