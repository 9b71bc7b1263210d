import ArgumentParser
import Checkpoints
import Compute
import Datasets
import Diffusion
import Distributed
import Evaluation
import Foundation
import Jobs
import Model
import Reporting
import Sampling

/// What `fpdm evaluate` measures of a network in place of samples, on any number of ranks.
struct EvaluateNetworkOptions: ParsableArguments {
    @Flag(
        name: .long,
        help: """
            Of a run, checkpoint or file of weights: the fixed point's residual ||f(z) - z|| / ||z|| by noise level and \
            iteration, on noised images of the data set.
            """)
    var residuals = false

    @Flag(
        name: .long,
        help: """
            Of a run, checkpoint or file of weights: bits a dimension of the data set's images, the variational bound \
            summed over all noise levels.
            """)
    var bpd = false

    @Option(name: .long, help: "Images to measure, the first ones; for --residuals 64, for --bpd all if not given.")
    var count: Int?

    @Option(name: .long, help: "Seed of the noise.")
    var seed = 0

    @Option(
        name: .long, help: "Images in the network at once, rounded up to a multiple of 16; changes memory and speed.")
    var batch = 64

    @Option(name: .long, help: "Iterations of an FPDM's fixed point; sampling.iterations of the job if not given.")
    var iterations: Int?

    @Option(
        name: .long, help: "With --residuals: the training steps to measure at, such as 0,500,999; ten if not given.")
    var timesteps: String?

    @Option(
        name: .long,
        help: """
            With --residuals: how solves go on, iteration or anderson; the latter combines as many states as the job's \
            sampling.solverMemory says.
            """)
    var solver: SolveMethod?

    @Option(
        name: .long, help: "With --bpd: noise levels of the process that is measured, such as 250; all if not given.")
    var respacing: String?

    @Flag(name: .long, help: "With --bpd: do not clip predicted images to [-1, 1]; for latents, which go beyond.")
    var noClip = false

    @Option(
        name: .long,
        help:
            "With --residuals or --bpd, weights to measure: ema or model. A checkpoint's ema, or a file's, if not given."
    )
    var weights: SavedWeights?

    @Option(
        name: .long,
        help: "With --residuals or --bpd, a job file that says what network the weights are of, where they do not.",
        completion: .file(extensions: ["yaml", "yml"]))
    var job: String?

    @OptionGroup var engine: EngineOptions

    var isAsked: Bool { residuals || bpd }

    func validate() throws {
        if residuals && bpd { throw ValidationError("--residuals and --bpd are two measures: ask for one at a time") }
        let others: [(String, Bool)] = [
            ("--count", count != nil), ("--iterations", iterations != nil), ("--timesteps", timesteps != nil),
            ("--respacing", respacing != nil), ("--solver", solver != nil), ("--no-clip", noClip),
            ("--weights", weights != nil), ("--job", job != nil),
        ]
        if !isAsked, let (name, _) = others.first(where: \.1) {
            throw ValidationError("\(name) goes with --residuals or --bpd")
        }
        if residuals, respacing != nil || noClip {
            throw ValidationError("--respacing and --no-clip go with --bpd")
        }
        if bpd, timesteps != nil { throw ValidationError("--timesteps goes with --residuals") }
        if bpd, solver != nil { throw ValidationError("--solver goes with --residuals") }
        if let count, count < 1 { throw ValidationError("--count must be 1 or more, is \(count)") }
        if batch < 1 { throw ValidationError("--batch must be 1 or more, is \(batch)") }
        let limit = 1...ModelConfiguration.solveIterationsLimit.upperBound
        if let iterations, !limit.contains(iterations) {
            throw ValidationError(
                "--iterations must be from \(limit.lowerBound) to \(limit.upperBound), is \(iterations)")
        }
    }

    /// Measures, prints and ends the program.
    ///
    /// - Parameters:
    ///   - path: of a run, a checkpoint or a file of weights.
    ///   - data: base path of a data set; nil for the job's.
    func run(_ path: String, data: String?, json: Bool) throws {
        let runtime = try Session.start()
        let world = runtime.world
        let (source, job, dataset, loaded) = try world.agree {
            let source = try WeightsSource.open(path) { skipped in
                if world.rank == 0 { Console.log.notice("skipping \(skipped.reason)") }
            }
            _ = try source.kind(weights)
            let job = try source.job(describedBy: self.job)
            return (
                source, job, try ShardedDataset(path: data ?? job.data.path), try source.weights(weights, of: job.model)
            )
        }
        let share = try runtime.nodeLocal.threadsPerRank()
        let engine = try world.agree { try self.engine.makeEngine(threads: share) }
        let line = ProgressLine()
        func progress(_ share: Double) {
            guard world.rank == 0 else { return }
            line.show("\(Int(100 * share)) % of this rank's share", plain: false)
        }
        if world.rank == 0 {
            Console.log.notice("\(source.path): \(job.model.inWords), on \(dataset.name.base)")
        }
        if residuals {
            let result = try withExtendedLifetime(loaded) {
                try DatasetResiduals(
                    dataset, job, weights: loaded.values, try residualSettings(job), engine: engine, world: world,
                    progress: progress)
            }
            line.clear()
            if world.rank == 0 { try show(result, json: json) }
        } else {
            let result = try withExtendedLifetime(loaded) {
                try DatasetBits(
                    dataset, job, weights: loaded.values, try world.agree { try bitsSettings(job) }, engine: engine,
                    world: world,
                    progress: progress)
            }
            line.clear()
            if world.rank == 0 { try show(result, json: json) }
        }
        Console.exit(0)
    }

    private func residualSettings(_ job: JobConfiguration) throws -> DatasetResiduals.Settings {
        var settings = DatasetResiduals.Settings()
        settings.count = count ?? settings.count
        (settings.batch, settings.seed, settings.iterations) = (batch, seed, iterations ?? job.sampling.iterations)
        settings.solverMemory = solver == .anderson ? job.sampling.solverMemory : nil
        settings.timesteps = try timesteps.map { list in
            try list.split(separator: ",").map {
                guard let step = Int($0.filter { $0 != " " }) else {
                    throw ValidationError("--timesteps takes numbers such as 0,500,999; found \($0)")
                }
                return step
            }
        }
        return settings
    }

    private func bitsSettings(_ job: JobConfiguration) throws -> DatasetBits.Settings {
        var settings = DatasetBits.Settings()
        (settings.count, settings.batch, settings.seed) = (count, batch, seed)
        (settings.iterations, settings.clip) = (iterations ?? job.sampling.iterations, !noClip)
        settings.respacing = respacing ?? ""
        do { _ = try Respacing.timesteps(total: job.diffusion.steps, settings.respacing) } catch {
            throw Failure(.usage, "--respacing: \(error)")
        }
        return settings
    }

    private func show(_ result: DatasetResiduals, json: Bool) throws {
        if json { return try Console.printJSON(result) }
        print("mean of ||f(z) - z|| / ||z|| over \(result.samples) images, before each iteration")
        let header = ["t"] + (1...result.iterations).map { "\($0)" }
        print(
            table(
                [header] + result.levels.map { ["\($0.timestep)"] + $0.residuals.map { significant($0, 3) } }, texts: 0)
        )
    }

    private func show(_ result: DatasetBits, json: Bool) throws {
        if json { return try Console.printJSON(result) }
        print("\(result.samples) images: \(significant(result.bitsPerDimension, 6)) bits a dimension, at most")
        print("of these, the prior   \(significant(result.prior))")
        let terms = result.terms
        // The ends, and some between them, each the mean of those around it.
        let groups = min(10, terms.count)
        let rows = (0..<groups).map { group -> [String] in
            let part = terms[terms.count * group / groups..<terms.count * (group + 1) / groups]
            let (first, last) = (part.first?.timestep ?? 0, part.last?.timestep ?? 0)
            func mean(_ value: (DatasetBits.Term) -> Double) -> String {
                significant(part.reduce(0) { $0 + value($1) } / Double(part.count))
            }
            return [
                first == last ? "\(first)" : "\(first)-\(last)", significant(part.reduce(0) { $0 + $1.bits }),
                mean(\.squaredErrorOfX0), mean(\.squaredErrorOfNoise),
            ]
        }
        print(table([["steps", "bits", "error of x0", "error of the noise"]] + rows, texts: 1))
    }
}

extension SolveMethod: ExpressibleByArgument {}
