import ArgumentParser
import Datasets
import Foundation
import Model
import Storage

/// `fpdm data pack`.
struct DataPackCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "pack",
        abstract: "Pack images into a data set that can be trained on.",
        discussion: """
            SOURCE is one of:
              a folder of PNG images, with a sub-folder for each class (its name becomes the class's), or with the \
            images themselves if they have no labels; all square and of one size, of up to 8 bits a channel, and nowhere \
            transparent; gamma and colour profiles are not applied;
              a .csv or .csv.gz file with a column `label` and a column for each value, channel by channel and row by row;
              an IDX file of images as MNIST has them, .gz or not, with its labels in a file of MNIST's naming beside it.

            Nothing that exists is replaced, and nothing is left behind if packing fails. Examples:
              fpdm data pack flowers/ --output data/flowers --shards 4 --seed 0
              fpdm data pack digits.csv.gz --output data/digits --shards 2 --value-range 0,16 --seed 0
              fpdm data pack train-images-idx3-ubyte.gz --output data/mnist --shards 4 --seed 0
            """)

    @Argument(help: "What to pack: a folder of PNG images, a CSV file, or an IDX file of images.")
    var source: String

    @Option(help: ArgumentHelp("Base path of the data set to make, as in data/NAME.", valueName: "path"))
    var output: String

    @Option(
        help: ArgumentHelp(
            "How many files to divide the samples among, as evenly as they can be.",
            valueName: "count"))
    var shards = 1

    @Option(
        help: ArgumentHelp(
            "Side of the images; default: the first image's, or what the columns make.", valueName: "pixels"))
    var side: Int?

    @Option(help: ArgumentHelp("1 for grey, 3 for colour; default: the first image's; 1 for CSV.", valueName: "count"))
    var channels: Int?

    @Option(
        help: ArgumentHelp(
            "CSV: the values that the model is to see as -1 and 1; default: 0,255.", valueName: "least,most"))
    var valueRange: ValueRange?

    @Option(
        help: ArgumentHelp(
            "CSV, IDX: what the classes are called, from class 0 on: cat,dog.", valueName: "names"))
    var labelNames: String?

    @Option(
        help: ArgumentHelp(
            "IDX: the file of labels; none: the images have no labels; default: by MNIST's names, labels-idx1 for images-idx3.",
            valueName: "file"))
    var labels: String?

    @Option(
        help: ArgumentHelp(
            "Shuffle the samples, in an order that follows from this number; default: the source's order. Do it where classes come one after the other.",
            valueName: "number"))
    var seed: UInt64?

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
        try require(side, in: ModelConfiguration.imageSizeLimit, "--side")
        try require(channels, in: ModelConfiguration.channelsLimit, "--channels")
        if let deflate, !(1...9).contains(deflate) {
            throw ValidationError("--deflate goes from 1 to 9, not to \(deflate)")
        }
    }

    /// What no network takes is not packed.
    private func require(_ value: Int?, in limit: ClosedRange<Int>, _ option: String) throws {
        guard let value, !limit.contains(value) else { return }
        throw ValidationError("\(option) must be from \(limit.lowerBound) to \(limit.upperBound), not \(value)")
    }

    func run() throws {
        var images = try open()
        if let seed { images = ShuffledSource(images, seed: seed) }
        images = try encoding.encoded(images)
        let files = try DatasetWriter.write(
            images, to: output, shards: shards, content: images.content, citation: citation, licence: licence,
            deflate: deflate)
        print("packed \(images.count) samples into \(files.count - 1) \(files.count == 2 ? "shard" : "shards"):")
        for file in files { print("  \(file)") }
    }

    private func open() throws -> any PackSource {
        if try Files.isDirectory(source) {
            if valueRange != nil { throw ValidationError("--value-range is for CSV files; PNG images have 0 to 255") }
            if labelNames != nil {
                throw ValidationError("--label-names is for CSV and IDX files; folders name their classes")
            }
            return try ImageFolderSource(path: source, side: side, channels: channels)
        }
        let names = labelNames?.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
        if IDXSource.isNamedLikeOne(source) { return try openIDX(names) }
        if labels != nil { throw ValidationError("--labels is for IDX files") }
        guard try source.hasSuffix(".csv") || source.hasSuffix(".csv.gz") || !Files.exists(source) else {
            throw ValidationError("\(source) is neither a folder nor a .csv, .csv.gz or IDX file (-ubyte, .idx)")
        }
        return try CSVSource(
            path: source, side: side, channels: channels ?? 1, valueRange: valueRange?.range ?? 0...255,
            labelNames: names)
    }

    private func openIDX(_ names: [String]?) throws -> any PackSource {
        if valueRange != nil { throw ValidationError("--value-range is for CSV files; IDX images have 0 to 255") }
        if side != nil || channels != nil { throw ValidationError("--side and --channels follow from the IDX file") }
        guard labels != "none" else { return try IDXSource(path: source, labels: nil) }
        guard let file = labels ?? IDXSource.labelsPath(beside: source) else {
            throw ValidationError(
                "--labels is needed: \(source) is not named as MNIST's files are; none: without labels")
        }
        return try IDXSource(path: source, labels: file, labelNames: names)
    }
}

/// Two numbers with a comma between them, the smaller one first.
struct ValueRange: ExpressibleByArgument {
    let range: ClosedRange<Double>

    init?(argument: String) {
        let numbers = argument.split(separator: ",", omittingEmptySubsequences: false).map { Double($0) }
        guard numbers.count == 2, let least = numbers[0], let most = numbers[1], least < most, most - least < .infinity
        else { return nil }
        range = least...most
    }
}
