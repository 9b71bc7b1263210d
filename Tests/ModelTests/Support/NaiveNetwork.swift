import Foundation
import Model
import TestSupport

/// The network again, in double and sample by sample, in the plainest form: what `Network` is measured by.
///
/// Written from the reference implementation's definition, not from the fast one: the injection is concatenated
/// and multiplied in every iteration, attention holds all scores, nothing is shared or reused.
struct NaiveNetwork {
    let c: ModelConfiguration
    let ranges: [String: Range<Int>]
    /// Laid out as the fast network's flat vector.
    var weights: [Double]

    /// [rows, columns]
    typealias Rows = [[Double]]

    struct Sample {
        /// [C, S, S]
        var image: [Double]
        var timestep: Int
        var label: Int
        var vector: [Double]
        var drop: Bool
    }

    init(_ table: ParameterTable, _ weights: [Float]) {
        c = table.configuration
        ranges = Dictionary(uniqueKeysWithValues: table.parameters.map { ($0.name, $0.range) })
        self.weights = weights.map(Double.init)
    }

    /// - Parameters:
    ///   - initial: [T, D], starts the solve.
    ///   - iterations: in all.
    /// - Returns: the image [O, S, S], and z before each iteration and after the last.
    func forward(_ sample: Sample, iterations: Int, initial: Rows? = nil) -> (output: [Double], states: [Rows]) {
        var x = embedPatches(sample.image)
        let time = timestepEmbedding(sample.timestep)
        let label = labelEmbedding(sample)
        let full = zip(time, label).map(+)
        var states: [Rows] = []
        let outer = c.fixedPoint && !c.prePostTimestepConditioning ? label : full
        if c.fixedPoint {
            for i in 0..<c.preDepth { x = block("blocks_pre.\(i)", x, outer) }
            let injection = linear("block_pre_projection", x)
            var z = initial ?? x
            states.append(z)
            for _ in 0..<iterations {
                let both = zip(z, injection).map { $0 + $1 }
                let hidden = linear("block_fixed_point_projection_fc1", both).map { $0.map(gelu) }
                z = block("block_fixed_point", linear("block_fixed_point_projection_fc2", hidden), full)
                states.append(z)
            }
            x = z
            for i in 0..<c.postDepth { x = block("blocks_post.\(i)", x, outer) }
        } else {
            for i in 0..<c.depth { x = block("blocks.\(i)", x, full) }
        }
        return (finalLayer(x, outer), states)
    }

    // MARK: - Layers

    private func value(_ name: String, _ index: Int) -> Double {
        guard let range = ranges[name] else { fatalError("no parameter \(name)") }
        return weights[range.lowerBound + index]
    }

    private func linear(_ name: String, _ x: Rows) -> Rows {
        guard let weight = ranges["\(name).weight"], let bias = ranges["\(name).bias"] else {
            fatalError("no layer \(name)")
        }
        return x.map { row in
            (0..<bias.count).map { output in
                var sum = weights[bias.lowerBound + output]
                let start = weight.lowerBound + output * row.count
                for i in 0..<row.count { sum += weights[start + i] * row[i] }
                return sum
            }
        }
    }

    private func gelu(_ x: Double) -> Double {
        0.5 * x * (1 + tanh((2 / Double.pi).squareRoot() * (x + 0.044715 * x * x * x)))
    }

    private func silu(_ x: Double) -> Double { x / (1 + exp(-x)) }

    private func modulatedNorm(_ x: Rows, shift: [Double], scale: [Double]) -> Rows {
        x.map { row in
            let mean = row.reduce(0, +) / Double(row.count)
            let variance = row.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(row.count)
            return row.indices.map { (row[$0] - mean) / (variance + 1e-6).squareRoot() * (1 + scale[$0]) + shift[$0] }
        }
    }

    /// The parts of a layer's modulation by a conditioning vector, each of width D.
    private func modulation(_ name: String, _ condition: [Double]) -> [[Double]] {
        let all = linear("\(name).adaLN_modulation.1", [condition.map(silu)])[0]
        return stride(from: 0, to: all.count, by: c.width).map { Array(all[$0..<$0 + c.width]) }
    }

    private func attention(_ name: String, _ x: Rows) -> Rows {
        let qkv = linear("\(name).qkv", x)
        let d = c.headWidth
        var output = x.map { _ in [Double](repeating: 0, count: c.width) }
        for head in 0..<c.heads {
            for i in x.indices {
                let scores = x.indices.map { j in
                    var sum = 0.0
                    for k in 0..<d { sum += qkv[i][head * d + k] * qkv[j][c.width + head * d + k] }
                    return sum / Double(d).squareRoot()
                }
                let maximum = scores.max() ?? 0
                let powers = scores.map { exp($0 - maximum) }
                let total = powers.reduce(0, +)
                for j in x.indices {
                    for k in 0..<d {
                        output[i][head * d + k] += powers[j] / total * qkv[j][2 * c.width + head * d + k]
                    }
                }
            }
        }
        return linear("\(name).proj", output)
    }

    private func block(_ name: String, _ x: Rows, _ condition: [Double]) -> Rows {
        let m = modulation(name, condition)
        let attended = attention("\(name).attn", modulatedNorm(x, shift: m[0], scale: m[1]))
        let middle = addGated(x, m[2], attended)
        let hidden = linear("\(name).mlp.fc1", modulatedNorm(middle, shift: m[3], scale: m[4])).map { $0.map(gelu) }
        return addGated(middle, m[5], linear("\(name).mlp.fc2", hidden))
    }

    private func addGated(_ x: Rows, _ gate: [Double], _ branch: Rows) -> Rows {
        zip(x, branch).map { row, added in row.indices.map { row[$0] + gate[$0] * added[$0] } }
    }

    // MARK: - Ends

    private func embedPatches(_ image: [Double]) -> Rows {
        let (p, s) = (c.patchSize, c.imageSize)
        let grid = s / p
        var tokens: Rows = []
        for row in 0..<grid {
            for column in 0..<grid {
                var token: [Double] = []
                for output in 0..<c.width {
                    var sum = value("x_embedder.proj.bias", output)
                    for channel in 0..<c.channels {
                        for y in 0..<p {
                            for x in 0..<p {
                                let weight = ((output * c.channels + channel) * p + y) * p + x
                                let pixel = (channel * s + row * p + y) * s + column * p + x
                                sum += value("x_embedder.proj.weight", weight) * image[pixel]
                            }
                        }
                    }
                    token.append(sum)
                }
                tokens.append(zip(token, position(row: row, column: column)).map(+))
            }
        }
        return tokens
    }

    private func position(row: Int, column: Int) -> [Double] {
        [column, row].flatMap { place in
            let angles = (0..<c.width / 4).map { Double(place) / pow(10_000, Double($0) / (Double(c.width) / 4)) }
            return angles.map { sin($0) } + angles.map { cos($0) }
        }
    }

    private func timestepEmbedding(_ t: Int) -> [Double] {
        let angles = (0..<128).map { Double(t) * exp(-log(10_000) * Double($0) / 128) }
        let features = angles.map { cos($0) } + angles.map { sin($0) }
        let hidden = linear("t_embedder.mlp.0", [features]).map { $0.map(silu) }
        return linear("t_embedder.mlp.2", hidden)[0]
    }

    private func labelEmbedding(_ sample: Sample) -> [Double] {
        switch c.conditioning {
        case .classes:
            let row = sample.drop ? c.classes : sample.label
            return (0..<c.width).map { value("y_embedder.embedding_table.weight", row * c.width + $0) }
        case .continuous:
            return linear("y_embedder.embedding_projection", [sample.vector.map { sample.drop ? 0 : $0 }])[0]
        case .none:
            return [Double](repeating: 0, count: c.width)
        }
    }

    private func finalLayer(_ x: Rows, _ condition: [Double]) -> [Double] {
        let m = modulation("final_layer", condition)
        let tokens = linear("final_layer.linear", modulatedNorm(x, shift: m[0], scale: m[1]))
        let (p, s) = (c.patchSize, c.imageSize)
        var image = [Double](repeating: 0, count: c.outputValues)
        for channel in 0..<c.outputChannels {
            for row in 0..<s {
                for column in 0..<s {
                    let token = tokens[row / p * (s / p) + column / p]
                    image[(channel * s + row) * s + column] =
                        token[(row % p * p + column % p) * c.outputChannels + channel]
                }
            }
        }
        return image
    }
}
