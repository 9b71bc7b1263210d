import ArgumentParser
import Compute
import Datasets
import Distributed
import Foundation
import Jobs
import Model
import Reporting
import Sampling
import Storage
import Training

/// `fpdm invert`
struct InvertCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "invert",
        abstract: "Turn images of a data set into the noise that they would be drawn from.",
        discussion: """
            fpdm invert runs/digits data/digits --count 8 --output noise.h5 --set sampling.sampler=ddim
            fpdm sample runs/digits --start noise.h5 --count 8 --output again.h5 --set sampling.sampler=ddim

            Each step of a sampler that adds no noise is taken back, by asking the network again and again at the place \
            that it is found to begin from. The second command then draws the images again. docs/sampling.md says how near \
            they come.
            """)

    @Argument(
        help: "A run folder, a checkpoint, a safetensors file that records its job, or a folder with one.",
        completion: .file())
    var source: String

    @Argument(help: "Base path of a data set, such as data/digits: its first images are taken.")
    var data: String

    @Option(name: .shortAndLong, help: "File to write: HDF5 with /images, the noise, and /labels.")
    var output = "noise.h5"

    @Option(name: .shortAndLong, help: "Number of images.")
    var count = 8

    @Option(name: .long, help: "Evaluations of the network in each step, one of which is DDIM's own approximation.")
    var rounds = 10

    @OptionGroup var from: SourceOptions

    @Option(
        name: .customLong("set"),
        help: "Override a key of the job's sampling section, such as sampling.respacing=100. May be repeated.")
    var overrides: [String] = []

    @OptionGroup var engine: EngineOptions

    func validate() throws {
        if count < 1 { throw ValidationError("--count must be 1 or more, not \(count)") }
        if rounds < 1 { throw ValidationError("--rounds must be 1 or more, not \(rounds)") }
    }

    func run() throws {
        try Session.requireOneProcess("invert")
        guard try !Files.exists(output) else {
            throw Failure(.cannotCreate, "\(output): exists; give another --output, or remove it")
        }
        let source = try WeightsSource.open(self.source) { Console.log.notice("skipping \($0.reason)") }
        let job = try source.job(overriding: overrides, describedBy: from.job)
        let dataset = try ShardedDataset(path: data)
        try dataset.requireFits(job.model)
        guard count <= dataset.count else {
            throw Failure(.usage, "--count \(count): \(data) has \(dataset.count) images")
        }
        let range = 0..<count
        let (images, classes, labels) = try Self.read(dataset, range, job.model)
        let plan = try SamplePlan(job, seed: 0, range: range, labels: labels)
        let loaded = try source.weights(from.weights, of: job.model)
        let engine = try self.engine.makeEngine(threads: ProcessorAffinity.coreCount)
        let line = ProgressLine()
        let (noise, open) = try withExtendedLifetime(loaded) {
            try ImageInverter(plan, engine, weights: loaded.values).invert(images, rounds: rounds) { images, step in
                line.show("images \(images)/\(count), step \(step)/\(plan.sampler.count)", plain: false)
            }
        }
        line.clear()
        let settings = SampleSettings(
            job, plan, engine, weights: loaded.values,
            remarks: ["inverted": dataset.name.base, "rounds": String(rounds), "job": job.yaml()])
        try SampleFile(
            channels: job.model.channels, side: job.model.imageSize, images: noise, classes: classes,
            metadata: settings.stamp
        ).write(to: output)
        print("\(output): the noise of \(count) images of \(dataset.name.base)")
        if rounds > 1 { print("the last round changed it by \(significant(open.max() ?? 0, 2)) of itself at most") }
    }

    /// Images as a network takes them, the means of latents where the data are moments; and their labels.
    private static func read(
        _ dataset: ShardedDataset, _ range: Range<Int>, _ model: ModelConfiguration
    ) throws -> (images: [Float], classes: [Int32]?, SampleLabels) {
        var stored = [Float](repeating: 0, count: range.count * dataset.imageValues)
        var classes = [Int32](repeating: 0, count: dataset.labels == .classes ? range.count : 0)
        try stored.withUnsafeMutableBufferPointer { stored in
            try classes.withUnsafeMutableBufferPointer { classes in
                guard let base = stored.baseAddress else { return }
                try dataset.read(
                    Array(range), images: base, classes: classes.isEmpty ? nil : classes.baseAddress, vectors: nil)
            }
        }
        if let latents = dataset.attributes.latents {
            let (own, values) = (dataset.imageValues, model.imageValues)
            stored = range.flatMap { image in
                stored[image * own..<image * own + values].map { Float((Double($0) - latents.shift) * latents.scale) }
            }
        }
        switch model.conditioning {
        case .none: return (stored, nil, .none)
        case .classes: return (stored, classes, try SampleLabels(model, classes: classes.map { String($0) }))
        case .continuous:
            let vectors = SampleLabels.LabelVectors(try dataset.labelVectors(Array(range)), length: model.classes)
            return (stored, nil, .vectors(vectors))
        }
    }
}
