import ArgumentParser
import Compute
import Distributed
import Jobs
import Model
import Reporting

/// Which network a benchmark builds, and what computes it.
struct BenchNetworkOptions: ParsableArguments {
    @Option(name: .long, help: "A published size, such as DiT-S/2 or FPDM-XL/2.")
    var model = "DiT-S/2"

    @Flag(name: .long, help: "The FPDM of this size, as FPDM-... names it as well.")
    var fixedPoint = false

    @Option(name: .long, help: "Number format of the network's arithmetic: float32 or bf16.")
    var precision = "float32"

    @OptionGroup var engine: EngineOptions

    func validate() throws {
        _ = try configuration
        _ = try numberFormat
    }

    /// The network, for latents of 32 x 32 x 4 and 1,000 classes.
    var configuration: ModelConfiguration {
        get throws {
            var network = ModelConfiguration()
            guard network.apply(named: model) else {
                throw ValidationError(
                    "--model takes a published size, one of \(ModelConfiguration.publishedNames.joined(separator: ", ")); "
                        + "is \(model)")
            }
            network.fixedPoint = fixedPoint || model.hasPrefix("FPDM-")
            return network
        }
    }

    /// What a job's `training.precision` may be.
    var numberFormat: JobConfiguration.Training.Precision {
        get throws {
            if let known = JobConfiguration.Training.Precision(rawValue: precision) { return known }
            guard precision == "bf16" else {
                throw ValidationError("--precision takes float32 or bf16, is \(precision)")
            }
            throw ValidationError("--precision: bf16 is not available in this build")
        }
    }

    /// Threads and kernels for the number format: the one place of the benchmarks that chooses them.
    func makeEngine() throws -> Engine {
        switch try numberFormat {
        case .float32: try engine.makeEngine()
        }
    }

    /// Refuses what this machine cannot hold before it is tried.
    ///
    /// - Throws: `Failure`
    func requireMemory(_ bytes: Int) throws {
        guard let limit = MemoryLimit.current, bytes > limit.bytes else { return }
        throw Failure(
            .badData,
            "this takes \(gibibytes(bytes)) of memory, and there is \(gibibytes(limit.bytes)); lower --batch")
    }
}

/// Bytes as a person reads them.
func gibibytes(_ bytes: Int) -> String { "\(significant(Double(bytes) / Double(1 << 30), 3)) GiB" }
