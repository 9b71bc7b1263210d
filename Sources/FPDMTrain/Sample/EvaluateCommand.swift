import ArgumentParser
import Compute
import Datasets
import Distributed
import Evaluation
import Foundation
import Jobs
import Reporting
import Sampling

/// `fpdm evaluate`
struct EvaluateCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "evaluate",
        abstract: "Measure how good samples are, or a network on a data set.",
        discussion: """
            fpdm evaluate samples.h5 --data data/digits

            Prints the Frechet distance over raw pixels (0 is best) and, with class labels, the share of samples \
            whose nearest real image has their label. The data set is that of the job that the samples came from, \
            unless --data names another. --held-out names real images that it does not hold: they are measured in the same \
            way, which says what samples as good as real images would reach.

            fpdm evaluate runs/digits --residuals
            mpirun -n 4 fpdm evaluate runs/digits --bpd --data data/digits-test

            With --residuals or --bpd the argument is a run (its latest valid checkpoint), a checkpoint, a file of \
            weights or a model's folder, and its network is measured on images of the data set, alone or on the ranks of mpirun; the numbers \
            are the same on any number of them.
            """)

    @Argument(
        help: "Samples that fpdm sample wrote; with --residuals or --bpd a run, checkpoint or weights.",
        completion: .file(extensions: ["h5"]))
    var samples: String

    @Option(name: .long, help: "Data set of real images, such as data/digits.")
    var data: String?

    @Option(name: .customLong("held-out"), help: "Data set of other real images, to be measured beside the samples.")
    var heldOut: String?

    @Flag(name: .long, help: "Print JSON.")
    var json = false

    @OptionGroup(title: "Measures of a network") var network: EvaluateNetworkOptions

    func run() throws {
        if network.isAsked { return try network.run(samples, data: data, json: json) }
        try Session.requireOneProcess("evaluate")
        let file = try SampleFile(path: samples)
        let quality = try Quality(
            file, against: ShardedDataset(path: try dataPath(file)), heldOut: heldOut.map(ShardedDataset.init(path:)),
            pool: try WorkerPool(threads: ProcessorAffinity.coreCount))
        noteFewImages(quality, width: file.channels * file.side * file.side)
        if json { return try Console.printJSON(quality) }
        print("samples               \(quality.samples), against \(quality.realImages) real images")
        show(quality.frechetDistance, quality.neighbourAgreement)
        if let heldOut = quality.heldOut {
            print("held out              \(heldOut.images) other real images, in place of the samples")
            show(heldOut.frechetDistance, heldOut.neighbourAgreement)
        }
    }

    private func show(_ distance: Double?, _ agreement: Double?) {
        print("Frechet distance      \(distance.map { String(format: "%.3f", $0) } ?? "not finite")")
        if let agreement { print("neighbour agreement   \(String(format: "%.1f", 100 * agreement)) %") }
    }

    private func noteFewImages(_ quality: Quality, width: Int) {
        let least = FrechetDistance.leastCount(width: width)
        let few = [("samples", quality.samples), ("real images", quality.realImages)].filter { $0.1 < least }
        guard !few.isEmpty else { return }
        Console.log.notice(
            """
            the Frechet distance is biased: \(few.map { "\($0.1) \($0.0)" }.joined(separator: " and ")) give a \
            covariance of \(width) pixel values without full rank. Take \(least) or more, and compare only distances \
            of equally many samples
            """)
    }

    private func dataPath(_ file: SampleFile) throws -> String {
        if let data { return data }
        guard let text = file.metadata["job"] else {
            throw Failure(.usage, "\(samples) does not say what data its model was trained on; name it with --data")
        }
        return try JobConfiguration.recorded(text, in: samples).data.path
    }
}
