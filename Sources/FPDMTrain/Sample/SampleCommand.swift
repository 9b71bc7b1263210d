import ArgumentParser
import Foundation
import Reporting
import Sampling
import Storage

/// `fpdm sample`
struct SampleCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "sample",
        abstract: "Draw images, alone or on the ranks of mpirun or srun, or as tasks of an array.",
        discussion: """
            fpdm sample runs/digits --count 100 --output samples.h5
            fpdm sample models/digits --classes 3,7 --output pictures
            mpirun -n 4 fpdm sample runs/digits --count 50000 --output pictures --set sampling.guidance=2

            A name that ends in .h5 gets all images as HDF5 (/images, /labels) and, beside it, a picture with one row a \
            class; any other is a folder, with a PNG file an image and grid.png. How to sample is taken from the \
            sampling section of the recorded job; --set changes it, and fpdm train --keys explains its keys. An image \
            follows from the seed and its index alone: ranks, tasks, threads and batches change no bits. What is there \
            and was drawn in the same way is kept, so that the same command goes on after a kill. docs/sampling.md has \
            the rest.
            """)

    @Argument(
        help: """
            A run folder (its latest valid checkpoint), a checkpoint, a safetensors file that records its job, or a folder \
            with one.
            """, completion: .file())
    var source: String

    @Option(
        name: .shortAndLong,
        help:
            "File to write, .h5 or .hdf5, or a folder of pictures. What is there must have been drawn in the same way.",
        completion: .file(extensions: ["h5", "hdf5"]))
    var output = "samples.h5"

    @Option(name: .shortAndLong, parsing: .unconditional, help: "Number of images.")
    var count = 100

    @Option(name: .long, parsing: .unconditional, help: "Index of the first image.")
    var first = 0

    @Option(name: .long, help: "Seed of the images.")
    var seed = 0

    @Option(name: .long, help: "Classes to draw in turn, by name or number, such as Bag,Coat or 3,7; all if not given.")
    var classes: String?

    @Option(
        name: .long,
        help: """
            For models with label vectors: an HDF5 file whose /labels [N, K], or a .npy file whose rows, the images take in \
            turn; or a data set such as data/faces, image i taking the label of its sample i.
            """,
        completion: .file(extensions: ["h5", "npy"]))
    var labels: String?

    @OptionGroup var from: SourceOptions

    @Option(
        name: .customLong("set"),
        help: "Override a key of the job's sampling section, such as sampling.iterations=12. May be repeated.")
    var overrides: [String] = []

    @Option(
        name: .long,
        help: """
            Decode the latents that are drawn, by this autoencoder: a folder of diffusers with config.json and \
            diffusion_pytorch_model.safetensors.
            """, completion: .directory)
    var vae: String?

    @Option(name: .long, help: "Images of one class in the picture of all; 0 for no such picture.")
    var columns = 20

    @Option(
        name: .long,
        help: """
            Draw one share of the images, such as 3/8 (counted from 0), or that of this Slurm array task: slurm. The same \
            command without it, when all tasks are done, writes the file and the picture of all.
            """)
    var task: TaskShare?

    @Option(
        name: .long,
        help: """
            Draw from this noise in place of random one: a file that fpdm invert wrote, image i from its i-th, and of that \
            one's class unless --classes says otherwise.
            """, completion: .file(extensions: ["h5"]))
    var start: String?

    @OptionGroup var engine: EngineOptions

    /// Whether the output is one HDF5 file rather than a folder.
    var isFile: Bool { [".h5", ".hdf5"].contains(where: output.lowercased().hasSuffix) }

    /// Where the picture of all images goes.
    var picture: String {
        isFile
            ? NSString(string: output).deletingPathExtension + ".png"
            : NSString(string: output).appendingPathComponent("grid.png")
    }

    func validate() throws {
        let name = NSString(string: output)
        guard isFile || name.pathExtension.isEmpty else {
            throw ValidationError(
                "--output \(output): images are written as HDF5, to a name that ends in .h5 or .hdf5, or as pictures to a "
                    + "folder, whose name has no ending; name it \(name.deletingPathExtension).h5 or "
                    + "\(name.deletingPathExtension)")
        }
        if columns < 0 { throw ValidationError("--columns must be 0 or more, not \(columns)") }
    }

    func run() throws {
        let ranks = try SampleRanks.start()
        let run = try ranks.agree { try SampleRun(self, ranks) }
        try run.draw()
        // Nobody leaves before everybody's images are there.
        try ranks.agree {}
        try ranks.agree { try run.finish() }
        Console.exit(0)
    }
}
