import Compute
import Jobs
import Model
import Reporting
import Storage

/// What decides about the bits of all images of a plan but their indices and labels, as text by name: stamped into every
/// output, and compared before an output counts as done.
public struct SampleSettings: Equatable, Sendable {
    /// By name.
    public let values: [String: String]
    /// What is stamped besides, and not compared: where the weights came from.
    public let remarks: [String: String]

    /// - Parameters:
    ///   - weights: a flat vector of the job's model.
    ///   - autoencoder: the digest of the one that decodes what is drawn; nil without.
    ///   - remarks: by name, other than those of settings.
    public init(
        _ job: JobConfiguration, _ plan: SamplePlan, _ engine: Engine, weights: FloatBuffer, autoencoder: String? = nil,
        remarks: [String: String]
    ) {
        var values: [String: String] = [:]
        func fields(_ sections: String...) -> [JobField] {
            JobConfiguration.fields.filter { sections.contains($0.section) }
        }
        // The number of images at once changes no bits.
        for field in fields("sampling") where field.key != "batch" { values[field.key] = field.value(in: job) }
        values["sampler"] = job.sampler.rawValue
        values["steps"] = String(plan.sampler.count)
        values["start"] = plan.starts?.digest ?? "random"
        values["seed"] = String(Int64(bitPattern: plan.seed))
        values["precision"] = engine.precision.rawValue
        values["autoencoder"] = autoencoder ?? "none"
        values["version"] = ProgramVersion.current
        values["weightsDigest"] = Self.digest(weights, plan.model)
        var network = CRC32C()
        for field in fields("model", "diffusion") {
            Array("\(field.name): \(field.value(in: job))\n".utf8).withUnsafeBytes { network.update($0) }
        }
        values["networkDigest"] = network.value.hex
        self.values = values
        self.remarks = remarks.merging(
            ["backend": autoencoder == nil ? engine.name : engine.nameWithConvolutions]
        ) { own, _ in own }
    }

    /// For tests, and for settings that were read.
    init(values: [String: String], remarks: [String: String] = [:]) { (self.values, self.remarks) = (values, remarks) }

    /// The CRC-32C of all parameters in order, as float32: the same for a checkpoint's weights and an exported file's.
    static func digest(_ weights: FloatBuffer, _ model: ModelConfiguration) -> String {
        var crc = CRC32C()
        for parameter in ParameterTable(model).parameters {
            crc.update(UnsafeRawBufferPointer(weights[parameter.range].readable))
        }
        return crc.value.hex
    }

    /// Everything that an output is stamped with.
    public var stamp: [String: String] { values.merging(remarks) { own, _ in own } }

    /// Refuses an output that was made otherwise.
    ///
    /// - Parameters:
    ///   - stamp: of the output.
    ///   - own: what must be in it besides these settings.
    ///   - path: of the output.
    /// - Throws: `Failure`, would overwrite, which says how the settings differ.
    public func require(_ stamp: [String: String], and own: [String: String] = [:], of path: String) throws {
        guard stamp["weightsDigest"] != nil else {
            throw Failure(.cannotCreate, "\(path): exists; give another --output, or remove it")
        }
        let differences = values.merging(own) { $1 }.filter { stamp[$0.key] != $0.value }.sorted { $0.key < $1.key }
        guard !differences.isEmpty else { return }
        let words = differences.prefix(4).map {
            "\($0.key) is \(stamp[$0.key] ?? "not told") there and \($0.value) here"
        }
        let more = differences.count > 4 ? ", and \(differences.count - 4) more" : ""
        throw Failure(
            .cannotCreate,
            "\(path): exists, and was drawn otherwise: \(words.joined(separator: ", "))\(more); give another --output, or remove it"
        )
    }
}
