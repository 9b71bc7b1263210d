import Compute
import Diffusion
import Foundation
import Model
import Storage

/// A reference case: a file of inputs and of the values that an independent implementation computed from them.
final class ReferenceCase {
    enum Kind: String, CaseIterable {
        case step, training, sampling, schedule, vae
    }

    let file: HDF5File
    let path: String
    /// Memory of the buffers that this case has handed out.
    private var arenas: [Arena] = []

    init(_ path: String) throws {
        self.path = path
        file = try HDF5File.open(path)
    }

    func malformed(_ message: String) -> StorageError {
        StorageError(.malformed, path, message)
    }

    func kind() throws -> Kind {
        let name = try file.attribute("kind", as: String.self)
        guard let kind = Kind(rawValue: name) else {
            throw malformed(
                "no check for cases of kind \"\(name)\"; this version knows "
                    + Kind.allCases.map(\.rawValue).joined(separator: ", "))
        }
        return kind
    }

    // MARK: - Attributes

    func text(_ name: String, of object: String = "/", default standard: String? = nil) throws -> String {
        if let standard, try !file.hasAttribute(name, of: object) { return standard }
        return try file.attribute(name, of: object)
    }

    func number(_ name: String) throws -> Double { try file.attribute(name) }

    /// An attribute as one of an enumeration's raw values.
    func choice<Value: RawRepresentable & CaseIterable>(
        _ name: String, of object: String = "/", default standard: String? = nil
    ) throws -> Value where Value.RawValue == String {
        let text = try text(name, of: object, default: standard)
        guard let value = Value(rawValue: text) else {
            let known = Value.allCases.map { $0.rawValue }.joined(separator: ", ")
            throw malformed("attribute \(name): unknown \"\(text)\"; known: \(known)")
        }
        return value
    }

    /// Schedule, zero terminal SNR, target, weighting, loss and fixed variance.
    func diffusion() throws -> DiffusionConfiguration {
        var configuration = DiffusionConfiguration()
        configuration.target = try choice("target")
        configuration.schedule = try choice("schedule")
        configuration.zeroTerminalSNR = try file.attribute("zero_terminal_snr")
        // The published code's weighting, where a case names none.
        configuration.weighting = try choice("weighting", default: "p2")
        configuration.loss = try choice("loss", default: "mse")
        configuration.fixedVariance = try choice("fixed_variance", default: "large")
        return configuration
    }

    /// The model from its published names of settings.
    func model() throws -> ModelConfiguration {
        let text = try file.attribute("model", as: String.self)
        let settings: PublishedModel
        do {
            settings = try JSONDecoder().decode(PublishedModel.self, from: Data(text.utf8))
        } catch {
            throw malformed("attribute model is not the JSON of a model: \(error)")
        }
        let configuration = settings.configuration
        if let problem = configuration.problems.first {
            throw malformed("attribute model: \(problem.field): \(problem.message)")
        }
        return configuration
    }

    private struct PublishedModel: Decodable {
        let configuration: ModelConfiguration

        private enum CodingKeys: String, CodingKey {
            case imageSize = "input_size"
            case patchSize = "patch_size"
            case channels = "in_channels"
            case width = "hidden_size"
            case depth
            case heads = "num_heads"
            case mlpRatio = "mlp_ratio"
            case classes = "num_classes"
            case learnSigma = "learn_sigma"
            case continuousLabels = "continuous_labels"
            case fixedPoint = "fixed_point"
            case preDepth = "pre_depth"
            case postDepth = "post_depth"
            case prePostTimestepConditioning = "pre_post_timestep_conditioning"
        }

        init(from decoder: any Decoder) throws {
            let values = try decoder.container(keyedBy: CodingKeys.self)
            var c = ModelConfiguration()
            c.imageSize = try values.decode(Int.self, forKey: .imageSize)
            c.patchSize = try values.decode(Int.self, forKey: .patchSize)
            c.channels = try values.decode(Int.self, forKey: .channels)
            c.width = try values.decode(Int.self, forKey: .width)
            c.depth = try values.decode(Int.self, forKey: .depth)
            c.heads = try values.decode(Int.self, forKey: .heads)
            c.mlpRatio = try values.decode(Double.self, forKey: .mlpRatio)
            c.classes = try values.decode(Int.self, forKey: .classes)
            c.learnSigma = try values.decode(Bool.self, forKey: .learnSigma)
            // What a DiT's settings need not say.
            let continuous = try values.decodeIfPresent(Bool.self, forKey: .continuousLabels) ?? false
            c.conditioning = continuous ? .continuous : .classes
            c.fixedPoint = try values.decodeIfPresent(Bool.self, forKey: .fixedPoint) ?? false
            c.preDepth = try values.decodeIfPresent(Int.self, forKey: .preDepth) ?? 1
            c.postDepth = try values.decodeIfPresent(Int.self, forKey: .postDepth) ?? 1
            c.prePostTimestepConditioning =
                try values.decodeIfPresent(Bool.self, forKey: .prePostTimestepConditioning) ?? false
            configuration = c
        }
    }

    // MARK: - Tensors

    /// A zeroed buffer that lives as long as this case.
    func buffer(_ count: Int) -> FloatBuffer {
        let (arena, buffer) = Arena.build("reference case") { $0.take(count) }
        arenas.append(arena)
        return buffer
    }

    func buffer(_ values: [Float]) -> FloatBuffer {
        let buffer = buffer(values.count)
        buffer.copy(from: values)
        return buffer
    }

    func floats(_ name: String, count: Int? = nil) throws -> [Float] {
        let values = try file.dataset(name).read(Float.self)
        if let count, values.count != count { throw malformed("\(name) holds \(values.count) values, not \(count)") }
        return values
    }

    func integers(_ name: String, count: Int? = nil) throws -> [Int] {
        let values = try file.dataset(name).read(Int64.self).map { Int($0) }
        if let count, values.count != count { throw malformed("\(name) holds \(values.count) values, not \(count)") }
        return values
    }

    /// Every parameter of the network from `group`, into a flat vector.
    func readWeights(_ group: String, _ table: ParameterTable, into weights: FloatBuffer) throws {
        for parameter in table.parameters {
            weights[parameter.range].copy(
                from: try floats("\(group)/\(parameter.name)", count: parameter.range.count))
        }
        let unknown = try file.names(in: group).filter { table.parameter(named: $0) == nil }
        if let name = unknown.first { throw malformed("\(group)/\(name) is no parameter of this model") }
    }

    /// Labels of `count` samples from dataset `name`.
    func labels(_ name: String, _ model: ModelConfiguration, count: Int, skipping start: Int = 0) throws -> Labels {
        switch model.conditioning {
        case .classes:
            let values = Array(try integers(name).dropFirst(start * 1).prefix(count))
            guard values.count == count else { throw malformed("\(name) holds too few labels") }
            guard let wrong = values.first(where: { $0 < 0 || $0 > model.classes }) else { return .classes(values) }
            throw malformed("\(name): label \(wrong) is outside 0...\(model.classes)")
        case .continuous:
            let values = Array(try floats(name).dropFirst(start * model.classes).prefix(count * model.classes))
            guard values.count == count * model.classes else { throw malformed("\(name) holds too few labels") }
            return .continuous(values)
        case .none:
            return .none
        }
    }
}
