import Evaluation
import Jobs
import Model
import Training

/// What `fpdm plan` tells.
struct PlanReport: Encodable {
    struct Line: Encodable {
        let name: String
        /// Of the rank that needs most.
        let rankBytes: Int
        /// Of the node whose ranks need most together.
        let nodeBytes: Int
    }

    let parameters: Int
    let ranks: Int
    let ranksPerNode: Int
    let nodes: Int
    let threads: Int
    let precision: String
    let activations: String
    let microbatch: Int
    /// Samples of a virtual rank, which a microbatch has at most.
    let virtualRankSize: Int
    let lines: [Line]
    /// The peak of the largest rank.
    let rankBytes: Int
    let nodeBytes: Int
    let memoryLimitBytes: Int?
    let fits: Bool?
    let largestMicrobatch: Int?
    /// The mean over the iterations that steps draw, and the least and the most.
    let flopsPerStep: Double
    let flopsLeast: Double
    let flopsMost: Double
    /// What ranks send each other; the same stands in `expected`.
    let exchange: ExchangeEstimate
    let expected: StepEstimate?
    /// Keys of data sets that are not there, and were supposed.
    let supposed: [String]

    init(_ plan: JobPlan, threads: Int, network: NetworkRate?, _ estimate: StepEstimate?) {
        let (job, cluster) = (plan.job, plan.cluster)
        parameters = ParameterTable(job.model).trainableCount
        (ranks, ranksPerNode, nodes) = (cluster.ranks, cluster.ranksPerNode, cluster.nodes)
        self.threads = threads
        (precision, activations) = (job.precision.rawValue, job.activations.rawValue)
        (microbatch, virtualRankSize) = (job.microbatchSize, job.training.virtualRankSize)
        let (largest, node) = (plan.largest, plan.node)
        lines = zip(largest.lines, node.lines).map {
            Line(name: $0.name, rankBytes: $0.bytes, nodeBytes: $1.bytes)
        }
        (rankBytes, nodeBytes) = (largest.bytes, node.bytes)
        (memoryLimitBytes, fits) = (cluster.limit?.bytes, plan.fits)
        largestMicrobatch = plan.largestMicrobatch
        let flops = StepFLOPs(job.model, gradient: job.training.backward)
        func step(_ iterations: Iterations) -> Double {
            flops.step(batch: job.training.globalBatch, iterations: iterations)
        }
        let (without, with) = (job.training.iterationsWithoutGradient, job.training.iterationsWithGradient)
        flopsPerStep = job.mean(step)
        flopsLeast = step(
            job.training.backward.iterations(Iterations(withoutGradient: without.min, withGradient: with.min)))
        flopsMost = step(
            job.training.backward.iterations(Iterations(withoutGradient: without.max, withGradient: with.max)))
        exchange = estimate?.exchange ?? ExchangeEstimate(plan, network: network)
        expected = estimate
        supposed = plan.supposed.map(\.key)
    }

    func words(_ plan: JobPlan) -> String {
        let job = plan.job
        var text = [
            "\(job.model.inWords); batch \(job.training.globalBatch) in "
                + "\(counted(job.training.virtualRanks, "virtual rank")) of \(virtualRankSize), microbatch \(microbatch), \(precision), activations: \(activations)",
            "\(counted(ranks, "rank")) x \(counted(threads, "thread")) on \(counted(nodes, "node"))",
            "",
        ]
        var rows = [["memory, MiB", "a rank", "a node"]]
        rows += lines.map { [$0.name, mebibytes($0.rankBytes), mebibytes($0.nodeBytes)] }
        rows.append(["in all", mebibytes(rankBytes), mebibytes(nodeBytes)])
        text += [table(rows, texts: 1), ""]
        let cluster = plan.cluster
        if let limit = cluster.limit {
            let microbatches =
                largestMicrobatch.map {
                    "the largest microbatch that fits is \($0) of at most \(virtualRankSize)"
                        + (plan.isSmallerToKeep
                            ? ", and \(microbatch) the largest that leaves room to keep activations" : "")
                } ?? "not even the smallest microbatch fits"
            let memory =
                limit.isOfEachProcess
                ? "the \(mebibytes(limit.bytes / cluster.ranksOnNode)) MiB that each rank may use"
                : "a node's \(mebibytes(limit.bytes)) MiB"
            text.append("\(fits == true ? "fits" : "does not fit") \(memory) (\(limit.source)); \(microbatches)")
        }
        let range =
            flopsLeast == flopsMost
            ? "" : ", from \(significant(flopsLeast / 1e9)) to \(significant(flopsMost / 1e9)) as steps draw iterations"
        text.append("\(significant(flopsPerStep / 1e9)) GFLOP a step\(range)")
        if let expected { text += self.words(expected, steps: job.training.steps) }
        if nodes > 1 {
            let bytes = "\(significant(exchange.bytesPerNode / 1e6, 3)) MB leave a node in a step"
            text.append(
                exchange.networkSeconds.map { "\(bytes), in \(significant($0, 3)) s" }
                    ?? "\(bytes); --network tells how long that takes")
        }
        return text.joined(separator: "\n")
    }

    private func words(_ expected: StepEstimate, steps: Int) -> [String] {
        var parts = [
            "computing \(significant(expected.computeSeconds, 3)) s", "sums \(significant(expected.sumSeconds, 3)) s",
            "optimizer \(significant(expected.optimizerSeconds, 3)) s",
        ]
        if ranks > 1 {
            parts.append("exchange \(significant(exchange.seconds, 3)) s")
        }
        let trial = expected.trial
        return [
            "expected \(significant(expected.seconds, 3)) s a step, \(significant(expected.samplesPerSecond, 3)) samples/s: "
                + parts.joined(separator: ", "),
            "\(steps) steps: \(readable(seconds: Double(steps) * expected.seconds))",
            "measured on \(counted(trial.ranksAtOnce, "rank")) at once, \(counted(trial.samples, "sample"))"
                + plannedIterations(trial),
        ]
    }

    private func plannedIterations(_ trial: StepEstimate.Trial) -> String {
        trial.iterations.isEmpty ? "" : ", \(trial.iterations[0]) + \(trial.iterations[1]) iterations"
    }

    private func mebibytes(_ bytes: Int) -> String { "\((bytes + (1 << 19)) >> 20)" }
}
