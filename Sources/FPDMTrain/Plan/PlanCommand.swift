import ArgumentParser
import Compute
import Distributed
import Evaluation
import Jobs
import Model
import Reporting
import Training

/// `fpdm plan`
struct PlanCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "plan",
        abstract: "Tell what a job will take of memory, time and network, without running it.",
        discussion: """
            fpdm plan jobs/digits.yaml
            fpdm plan my-job.yaml --ranks 16 --ranks-per-node 2 --threads 32 --memory 256GB --network 25gbit

            Memory is counted by the code that will take it. Seconds follow from rates measured here and now, with the \
            job's own network: on a machine like those that will run it, while nothing else runs. The exchange between \
            nodes takes as long as the network needs for its bytes.

            Whether the job fits is said, and changes no exit code; in JSON see the key fits.
            """)

    @Argument(help: "Job file (YAML).", completion: .file(extensions: ["yaml", "yml"]))
    var job: String

    @Option(
        name: .customLong("set"), help: "Override a key of the job, such as training.microbatch=8. May be repeated.")
    var overrides: [String] = []

    @Option(name: .long, help: "Ranks in all.")
    var ranks = 1

    @Option(name: .long, help: "Ranks on a node; all on one if not given.")
    var ranksPerNode: Int?

    @Option(
        name: .long, help: "Threads of a rank; if not given, run.threads or an equal share of this machine's cores.")
    var threads: Int?

    @Option(
        name: .long, help: "Memory of a node, such as 64GB; what this process may use if not given.",
        transform: MemoryAmount.init)
    var memory: MemoryAmount?

    @Option(
        name: .long, help: "What a node's link carries in one direction, such as 10gbit.",
        transform: NetworkAmount.init)
    var network: NetworkAmount?

    @Flag(name: .long, help: "Measure nothing: tell memory and operations only.")
    var noTiming = false

    @Flag(name: .long, help: "Print JSON.")
    var json = false

    func validate() throws {
        guard 1...1_000_000 ~= ranks else { throw ValidationError("--ranks must be from 1 to 1000000, is \(ranks)") }
        if let ranksPerNode, !(1...ranks ~= ranksPerNode) {
            throw ValidationError("--ranks-per-node must be from 1 to --ranks, which is \(ranks); is \(ranksPerNode)")
        }
        let limit = WorkerPool.threadsLimit
        if let threads, !(limit ~= threads) {
            throw ValidationError("--threads must be from \(limit.lowerBound) to \(limit.upperBound), is \(threads)")
        }
    }

    func run() throws {
        try Session.requireOneProcess("plan")
        let configuration = try JobConfiguration.load(path: job, overrides: overrides)
        let cores = ProcessorAffinity.coreCount
        let (perNode, onNode) = (ranksPerNode ?? ranks, min(ranks, ranksPerNode ?? ranks))
        let wanted =
            threads ?? (configuration.run.threads > 0 ? configuration.run.threads : max(1, cores / onNode))
        let precision = configuration.training.precision ?? configuration.run.gemm.fasterPrecision
        let backend = try configuration.run.gemm.load(for: precision)
        // Before the limit is asked for, for its threads have addresses.
        let engine = try Engine(threads: wanted, backend, precision)
        let limit =
            memory.map { MemoryLimit(bytes: $0.bytes, source: "--memory") }
            ?? .current(processes: onNode, addressing: MPIRuntime.addressBytes + MemoryPlan.addressBytes)
        let plan = try JobPlan(
            configuration, on: JobPlan.Cluster(ranks: ranks, ranksPerNode: perNode, limit: limit), engine: engine)
        for (key, reason) in plan.supposed {
            Console.log.notice("\(key): \(reason); planned for float32 samples that are not kept in memory")
        }
        if let line = plan.job.configuration.idleNote(forRanks: ranks) { Console.log.notice("\(line)") }
        let estimate = try noTiming ? nil : self.estimate(plan, threads: wanted, cores: cores, backend)
        let report = PlanReport(plan, threads: wanted, network: network?.rate, estimate)
        if json {
            try Console.printJSON(report)
        } else {
            print(report.words(plan))
        }
    }

    /// Measures as many ranks at once as will share a node, as far as this machine has cores for them.
    private func estimate(
        _ plan: JobPlan, threads: Int, cores: Int, _ backend: MatrixBackend
    ) throws -> StepEstimate? {
        let here = min(threads, cores)
        let atOnce = max(1, min(plan.cluster.ranksOnNode, cores / here))
        if here < threads {
            Console.log.notice(
                "measured with \(here) of a rank's \(threads) threads; with all as much faster as there is work for them"
            )
        }
        if plan.cluster.ranksOnNode * threads > cores {
            Console.log.notice(
                "a node is taken to have \(plan.cluster.ranksOnNode * threads) cores, one a thread; this machine has \(cores)"
            )
        }
        let engines: [Engine]
        do {
            engines = try (0..<atOnce).map { _ in try Engine(threads: here, backend, plan.job.precision) }
        } catch {
            // What is planned is told all the same.
            Console.log.notice("\(Failure.describe(error).message); no times are told")
            return nil
        }
        // Half of what there is, because others may use the machine, too.
        let memory = (MemoryLimit.current?.bytes ?? Int.max) / 2
        let estimate = try StepEstimate(
            plan, engines: engines, network: network?.rate, threads: threads, memory: memory)
        if estimate == nil {
            Console.log.notice("this machine has too little memory to measure the job's network; no times are told")
        }
        return estimate
    }
}
