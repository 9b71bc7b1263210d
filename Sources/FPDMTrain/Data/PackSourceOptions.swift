import ArgumentParser
import Datasets
import Model
import Reporting
import Storage

/// What is packed, and what it means.
struct PackSourceOptions: ParsableArguments {
    @Argument(
        help: "What to pack: a folder of images or of .npy files, or a .csv, .npy, .npz, .h5 or IDX file.",
        completion: .file())
    var source: String

    @Option(
        help: ArgumentHelp(
            "Side of the images. Images, and arrays of bytes, are cut to the square in their middle and scaled to it, as ADM and DiT do; default: the first one's, which all must have.",
            valueName: "pixels"))
    var side: Int?

    @Option(
        help: ArgumentHelp(
            "Images: 1 for grey, 3 for colour; default: what --vae takes, or the first one's. CSV: default 1.",
            valueName: "count"))
    var channels: Int?

    @Option(
        help: ArgumentHelp(
            "Where the labels are: the array in the file, or a file or folder of their own; none: there are none, and sub-folders of images are no classes; default: by their usual names.",
            valueName: "where"))
    var labels: String?

    @Option(
        help: ArgumentHelp(
            ".npz, .h5: the array of images; default: the one that is called images, data, x, arr_0 or the like.",
            valueName: "name"))
    var images: String?

    @Option(
        help: ArgumentHelp(
            "Arrays: how an image's dimensions are ordered, channels-first or channels-last; default: by the shape.",
            valueName: "order"))
    var order: ArrayMeaning.Order?

    @Option(
        help: ArgumentHelp(
            "Arrays: pixels, latents or moments; default: pixels for bytes and where --value-range is given, latents where images have neither 1 nor 3 channels.",
            valueName: "what"))
    var content: Content?

    // What begins with a minus sign is a value as well.
    @Option(
        parsing: .unconditional,
        help: ArgumentHelp(
            "CSV, arrays: the values that the model is to see as -1 and 1; default for CSV and bytes: 0,255.",
            valueName: "least,most"))
    var valueRange: ValueRange?

    @Option(
        help: ArgumentHelp(
            "Latents: what they are multiplied by for the model; default: 1, as fast-DiT writes them with 0.18215 applied. Moments: what latents are multiplied by that are drawn of them; needed.",
            valueName: "factor"))
    var scale: Double?

    @Option(
        help: ArgumentHelp(
            "CSV, IDX, arrays: what the classes are called, from class 0 on: cat,dog.", valueName: "names"))
    var labelNames: String?

    enum Content: String, CaseIterable, ExpressibleByArgument { case pixels, latents, moments }

    func validate() throws {
        try require(side, in: ModelConfiguration.imageSizeLimit, "--side")
        try require(channels, in: ModelConfiguration.channelsLimit, "--channels")
        if let scale, !scale.isFinite || scale == 0 { throw ValidationError("--scale must be a factor, not \(scale)") }
    }

    /// What no network takes is not packed.
    private func require(_ value: Int?, in limit: ClosedRange<Int>, _ option: String) throws {
        guard let value, !limit.contains(value) else { return }
        throw ValidationError("\(option) must be from \(limit.lowerBound) to \(limit.upperBound), not \(value)")
    }
}

extension ArrayMeaning.Order: ExpressibleByArgument {}

extension PackSourceOptions {
    /// A kind of source, by what it is called in messages.
    private enum Kind: String {
        case images = "folders of images"
        case features = "folders of .npy files"
        case arrays = "files of arrays"
        case csv = "CSV files"
        case idx = "IDX files"
    }

    /// Opens the source.
    ///
    /// - Parameters:
    ///   - imageChannels: of images that are packed, where `--channels` does not tell; the first one's if nil.
    ///   - leavesOut: whether samples that cannot be read are left out: of images, files of other names, too.
    /// - Throws: `Failure`, usage, if options do not go with it, and what is wrong with its files.
    func open(imageChannels: Int? = nil, leavesOut: Bool) throws -> any PackSource {
        // As it then stands in messages.
        let source = source.count > 1 && source.hasSuffix("/") ? String(source.dropLast()) : source
        if try Files.isDirectory(source) {
            if let found = try FeatureFolderSource.folders(in: source) {
                try refuse("--channels", "--images", of: .features)
                let labels = labels == "none" ? nil : labels ?? found.labels
                return try FeatureFolderSource(path: found.features, labels: labels, meaning)
            }
            try refuse("--images", "--order", "--content", "--scale", "--value-range", "--label-names", of: .images)
            if let labels, labels != "none" {
                throw Failure(.usage, "--labels: \(Kind.images.rawValue) have their classes as sub-folders, or none")
            }
            return try ImageFolderSource(
                path: source, side: side, channels: channels ?? imageChannels, hasClasses: labels == nil,
                takesOthers: leavesOut)
        }
        if IDXSource.isNamedLikeOne(source) { return try openIDX() }
        if ArraySource.isNamedLikeOne(source) {
            try refuse("--channels", of: .arrays)
            return try ArraySource(path: source, images: images, labels: labels, meaning)
        }
        guard try source.hasSuffix(".csv") || source.hasSuffix(".csv.gz") || !Files.exists(source) else {
            throw Failure(
                .usage,
                "\(source) is neither a folder nor a .csv, .csv.gz, .npy, .npz, .h5 or IDX file (-ubyte, .idx) by its name"
            )
        }
        try refuse("--images", "--order", "--content", "--scale", "--labels", of: .csv)
        return try CSVSource(
            path: source, side: side, channels: channels ?? 1, valueRange: valueRange?.range ?? 0...255,
            labelNames: names)
    }

    private func openIDX() throws -> any PackSource {
        try refuse(
            "--side", "--channels", "--images", "--order", "--content", "--scale", "--value-range", of: .idx)
        guard labels != "none" else { return try IDXSource(path: source, labels: nil) }
        guard let file = labels ?? IDXSource.labelsPath(beside: source) else {
            throw Failure(
                .usage, "--labels is needed: \(source) is not named as MNIST's files are; none: without labels")
        }
        return try IDXSource(path: source, labels: file, labelNames: names)
    }

    private var meaning: ArrayMeaning {
        ArrayMeaning(
            content: content?.rawValue, valueRange: valueRange?.range, scale: scale, order: order, side: side,
            labelNames: names)
    }

    private var names: [String]? {
        labelNames?.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
    }

    /// Refuses options that a kind of source has no use for.
    private func refuse(_ options: String..., of kind: Kind) throws {
        let given = [
            "--side": side != nil, "--channels": channels != nil, "--labels": labels != nil, "--images": images != nil,
            "--order": order != nil, "--content": content != nil, "--value-range": valueRange != nil,
            "--scale": scale != nil, "--label-names": labelNames != nil,
        ]
        guard let option = options.first(where: { given[$0] == true }) else { return }
        throw Failure(.usage, "\(option) is of no use for \(kind.rawValue), as \(source) is one; leave it out")
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
