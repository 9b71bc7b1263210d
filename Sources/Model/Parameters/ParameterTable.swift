import Compute

/// Every parameter of a network, in the order of a published state dictionary, and the size of its flat vector.
///
/// Tensors start at multiples of 16 floats; the padding between them is zero in weights and gradients, and stays so.
public struct ParameterTable: Sendable {
    public let configuration: ModelConfiguration
    public let parameters: [Parameter]
    /// Floats of a flat vector, padding included.
    public let flatCount: Int
    let ranges: NetworkRanges

    public init(_ configuration: ModelConfiguration) {
        var builder = ParameterTableBuilder()
        ranges = NetworkRanges(configuration, &builder)
        parameters = builder.parameters
        flatCount = builder.flatCount
        self.configuration = configuration
    }

    /// Number of trainable values.
    public var trainableCount: Int { parameters.reduce(0) { $0 + $1.range.count } }

    /// The fixed sine-cosine positions [1, T, D]: no parameter, but published checkpoints carry them.
    public var positions: (name: String, shape: [Int], values: [Float]) {
        let c = configuration
        return (
            "pos_embed", [1, c.tokens, c.width], Embeddings.positions(width: c.width, side: c.imageSize / c.patchSize)
        )
    }

    public func parameter(named name: String) -> Parameter? { parameters.first { $0.name == name } }

    /// Fills a flat vector with the published initialisation. Every tensor draws from a stream of its own, so
    /// the values depend on the seed and the tensor's place alone.
    public func initialize(_ weights: FloatBuffer, seed: UInt64, purpose: UInt8) {
        precondition(weights.count == flatCount, "a flat vector of another network")
        weights.fill(0)
        for (index, parameter) in parameters.enumerated() {
            let stream = RandomStream(seed: seed, purpose: purpose, sample: index)
            let values = weights[parameter.range]
            switch parameter.initialization {
            case .zeros:
                continue
            case .normal(let deviation):
                stream.normals(into: values.base, count: values.count)
                for i in 0..<values.count { values[i] *= Float(deviation) }
            case .xavierUniform(let fanIn, let fanOut):
                let bound = (6 / Double(fanIn + fanOut)).squareRoot()
                for i in 0..<values.count { values[i] = Float((2 * stream.uniform(i) - 1) * bound) }
            }
        }
    }
}

/// Collects parameters and hands out their places.
struct ParameterTableBuilder {
    private(set) var parameters: [Parameter] = []
    private(set) var flatCount = 0

    mutating func add(_ name: String, _ shape: [Int], _ initialization: Initialization) -> Range<Int> {
        let range = flatCount..<flatCount + shape.reduce(1, *)
        parameters.append(Parameter(name: name, shape: shape, initialization: initialization, range: range))
        flatCount += (range.count + 15) / 16 * 16
        return range
    }

    /// A linear layer, `weight` [outputs, inputs] and `bias` [outputs]; the weight is Xavier-uniform unless told.
    mutating func linear(
        _ name: String, inputs: Int, outputs: Int, shape: [Int]? = nil, _ initialization: Initialization? = nil
    ) -> LinearRanges {
        LinearRanges(
            weight: add(
                "\(name).weight", shape ?? [outputs, inputs],
                initialization ?? .xavierUniform(fanIn: inputs, fanOut: outputs)),
            bias: add("\(name).bias", [outputs], .zeros))
    }
}
