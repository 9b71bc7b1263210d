import ArgumentParser
import Datasets
import Distributed

/// `fpdm data pack`.
struct DataPackCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "pack",
        abstract: "Pack images, latents or features into a data set that can be trained on.",
        discussion: """
            SOURCE is one of:
              a folder of PNG and JPEG images, with a sub-folder for each class, whose name becomes the class's, or with \
            the images themselves if they have no labels. All kinds are read: palettes, fewer and more than 8 bits, CMYK; \
            turned as EXIF says; without opacity, gamma and colour profiles. With --side they are cut and scaled;
              a folder of .npy files as fast-DiT and FPDM write them: NAME_features/0.npy ... and NAME_labels/0.npy ..., \
            or one of the two, with --labels for the other. Files go together by their names;
              a .npy, .npz or HDF5 file with images [N, C, H, W], [N, H, W, C] or [N, H, W] of any numbers, and labels \
            [N] or [N, K] in it or in a file of their own;
              a .csv or .csv.gz file with a column `label` and a column for each value, channel by channel and row by row;
              an IDX file of images as MNIST has them, .gz or not, with its labels in a file of MNIST's naming beside it.

            Labels are classes, counted from 0, vectors of numbers such as DINO's features, or none.

            Under mpirun each rank packs some of the shards; the same arguments give the same files on any number of \
            ranks. Nothing that exists is replaced. A packing that is stopped or fails keeps the shards that are whole in \
            a hidden folder beside the output, and the same command goes on from there; the data set is there only when all \
            of it is.

            Examples:
              fpdm data pack flowers/ --output data/flowers --side 64 --channels 3 --shards 4 --seed 0
              mpirun -n 8 fpdm data pack imagenet/train --output data/imagenet --side 256 --channels 3 --shards 64 \
            --seed 0 --unreadable skip
              mpirun -n 8 fpdm data pack photos/ --output data/photos --side 256 --shards 8 --seed 0 --vae sd-vae-ft-mse
              fpdm data pack ffhq/ --output data/ffhq --labels none --side 256 --shards 16
              fpdm data pack features/ --output data/imagenet256 --shards 64 --seed 0
              fpdm data pack imagenet256_features --labels dino_features --output data/imagenet256-dino --shards 64
              fpdm data pack train_64x64.npz --output data/small --shards 8 --seed 0
              fpdm data pack scans.h5 --images volume/slices --labels none --value-range 0,4095 --output data/scans
              fpdm data pack digits.csv.gz --output data/digits --shards 2 --value-range 0,16 --seed 0
              fpdm data pack train-images-idx3-ubyte.gz --output data/mnist --shards 4 --seed 0
            """)

    @OptionGroup var input: PackSourceOptions

    @Option(help: ArgumentHelp("Base path of the data set to make, as in data/NAME.", valueName: "path"))
    var output: String

    @Option(
        help: ArgumentHelp(
            "How many files to divide the samples among, as evenly as they can be; at least one for each rank.",
            valueName: "count"))
    var shards = 1

    @Option(
        help: ArgumentHelp(
            "Shuffle the samples, in an order that follows from this number; default: the source's order. Do it where classes come one after the other.",
            valueName: "number"))
    var seed: UInt64?

    @Option(
        help: ArgumentHelp(
            "What becomes of samples that cannot be read: fail ends with the first one's error, skip leaves them out and lists them at the end.",
            valueName: "fail|skip"))
    var unreadable = PackOptions.Unreadable.fail

    @Option(
        name: .customLong("source"),
        help: ArgumentHelp("Where the data come from, kept in the files.", valueName: "text"))
    var citation: String?

    @Option(help: ArgumentHelp("What one may do with the data, kept in the files.", valueName: "text"))
    var licence: String?

    @Option(help: ArgumentHelp("Compress, from 1 (fast) to 9 (small); default: not.", valueName: "level"))
    var deflate: Int?

    @OptionGroup var encoding: EncodingOptions

    func validate() throws {
        if shards < 1 { throw ValidationError("--shards must be at least 1, not \(shards)") }
        if let deflate, !(1...9).contains(deflate) {
            throw ValidationError("--deflate goes from 1 to 9, not to \(deflate)")
        }
    }

    func run() throws {
        // Alone, a program that packs needs no MPI.
        let runtime = LauncherEnvironment.size > 1 ? try Session.start() : nil
        let threads = try runtime?.nodeLocal.threadsPerRank()
        let outcome = try RankPacking(world: runtime?.world).run {
            let autoencoder = try encoding.autoencoder()
            var source = try input.open(
                imageChannels: autoencoder?.configuration.imageChannels, leavesOut: unreadable == .skip)
            if let seed { source = ShuffledSource(source, seed: seed) }
            source = try encoding.encoded(source, by: autoencoder, threads: threads)
            return try DatasetPacking(
                source, to: output,
                PackOptions(
                    shards: shards, citation: citation, licence: licence, deflate: deflate, unreadable: unreadable))
        }
        if let outcome { tell(outcome) }
        Console.exit(0)
    }

    private func tell(_ outcome: DatasetPacking.Outcome) {
        let shards = outcome.files.count - 1
        print("packed \(outcome.samples) samples into \(shards) \(shards == 1 ? "shard" : "shards"):")
        for file in outcome.files { print("  \(file)") }
        guard !outcome.leftOut.isEmpty else { return }
        let count = outcome.leftOut.count
        print("left out \(count) \(count == 1 ? "sample that" : "samples that") could not be read:")
        for reason in outcome.leftOut { print("  \(reason)") }
    }
}

extension PackOptions.Unreadable: ExpressibleByArgument {}
