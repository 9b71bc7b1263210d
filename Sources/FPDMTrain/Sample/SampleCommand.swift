import ArgumentParser
import Checkpoints
import Compute
import Evaluation
import Foundation
import Model
import Reporting
import Sampling
import Storage

/// `fpdm sample`
struct SampleCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "sample",
        abstract: "Draw images from a checkpoint.",
        discussion: """
            fpdm sample runs/digits --count 100 --output samples.h5
            fpdm sample runs/digits/checkpoints/step-0001000 --set sampling.guidance=2 --classes 3,7

            Writes the images as HDF5 (/images, /labels) and, beside it, a picture with one row a class. How to \
            sample is taken from the sampling section of the checkpoint's job; --set changes it. The same seed \
            draws the same images, whatever the threads; with OpenBLAS's AVX-512 kernels also whatever sampling.batch \
            (its AVX2 kernels let an image's position in the batch change last bits).
            """)

    @Argument(help: "A run folder (its latest valid checkpoint), or a checkpoint.", completion: .directory)
    var source: String

    @Option(
        name: .shortAndLong, help: "File to write, .h5 or .hdf5; refused if it exists.",
        completion: .file(extensions: ["h5", "hdf5"]))
    var output = "samples.h5"

    @Option(name: .shortAndLong, help: "Number of images.")
    var count = 100

    @Option(name: .long, help: "Seed of the images.")
    var seed = 0

    @Option(name: .long, help: "Classes to draw in turn, such as 3,7; all if not given.")
    var classes: String?

    @Option(
        name: .long,
        help: "For models with label vectors: an HDF5 file whose /labels [N, K] the images take in turn.",
        completion: .file(extensions: ["h5"]))
    var labels: String?

    @Option(name: .long, help: "Weights to use: ema or model.")
    var weights = SavedWeights.ema

    @Option(
        name: .customLong("set"),
        help: "Override a key of the job's sampling section, such as sampling.iterations=12. May be repeated.")
    var overrides: [String] = []

    @Option(name: .long, help: "Images of one class in the picture; 0 for no picture.")
    var columns = 20

    @OptionGroup var engine: EngineOptions

    /// The output's name without its ending.
    private var outputStem: String { NSString(string: output).deletingPathExtension }

    func validate() throws {
        guard [".h5", ".hdf5"].contains(where: output.lowercased().hasSuffix) else {
            throw ValidationError(
                "--output \(output): images are written as HDF5, to a name that ends in .h5 or .hdf5; name it "
                    + "\(outputStem).h5, and a picture, \(outputStem).png, is written beside it")
        }
        if columns < 0 { throw ValidationError("--columns must be 0 or more, not \(columns)") }
    }

    func run() throws {
        try Session.requireOneProcess("sample")
        let picture = outputStem + ".png"
        try Output.requireNew(output, columns > 0 ? picture : output)
        let reader = try CheckpointSupport.open(source)
        let job = try reader.job(overriding: overrides)
        let plan = try SamplePlan(
            job, seed: seed, count: count, classes: try parsedClasses(), vectors: try labelVectors(job.model))
        if job.model.conditioning == .continuous, labels == nil {
            Console.log.notice(
                "without --labels all images are drawn for the zero label, which stood for a dropped one in training")
        }
        let weights = try reader.weights(weights, of: job.model)
        let line = ProgressLine()
        let clock = ContinuousClock()
        let begin = clock.now
        let images = try withExtendedLifetime(weights) {
            plan.run(try engine.makeEngine(), weights: weights.values) { images, step in
                line.show(
                    "images \(images)/\(count), step \(step)/\(plan.sampler.count)", plain: step == plan.sampler.count)
            }
        }
        line.clear()
        let took = (clock.now - begin) / .seconds(1)
        let file = SampleFile(
            channels: job.model.channels, side: job.model.imageSize, images: images,
            classes: plan.classes.map { $0.map { Int32($0) } },
            metadata: [
                "checkpoint": reader.path, "step": String(reader.metadata.step), "seed": String(seed),
                "weights": self.weights.rawValue, "job": job.yaml(),
            ])
        try file.write(to: output)
        print("\(output): \(count) images of step \(reader.metadata.step) in \(String(format: "%.1f", took)) s")
        if columns > 0 {
            try SamplePicture(file, columns: columns).write(to: picture)
            print("\(picture): the same as a picture")
        }
    }

    private func labelVectors(_ model: ModelConfiguration) throws -> [Float]? {
        guard let labels else { return nil }
        let values = try HDF5File.open(labels).dataset("labels")
        guard values.shape.count == 2, values.shape[1] == model.classes else {
            throw Failure(
                .badData, "\(labels): /labels has shape \(values.shape), and this model takes [N, \(model.classes)]")
        }
        return try values.read(Float.self)
    }

    private func parsedClasses() throws -> [Int]? {
        guard let classes else { return nil }
        return try classes.split(separator: ",").map {
            guard let value = Int($0) else { throw ValidationError("--classes takes numbers such as 3,7; found \($0)") }
            return value
        }
    }
}
