import Foundation
import Jobs
import Model
import Reporting
import Sampling
import Storage

/// One rank's part of `fpdm sample`: what it draws, where that goes, and what people are told.
final class SampleRun {
    private let command: SampleCommand
    private let ranks: SampleRanks
    private let source: WeightsSource
    private let job: JobConfiguration
    private let plan: SamplePlan
    private let settings: SampleSettings
    private let drawer: SampleDrawer
    /// Nil where what is drawn is kept as it is.
    private let decoder: LatentDecoder?
    private let weights: LoadedWeights
    private let line = ProgressLine()
    /// Nil where the output is there, and is what was asked for.
    private let store: Output?
    private let clock = ContinuousClock()
    private let begin: ContinuousClock.Instant
    private var drawn = 0
    /// Fixed-point iterations of all of them.
    private var made = 0

    private enum Output {
        case file(SampleParts)
        case folder(PictureFolder)

        var store: any SampleStore {
            switch self {
            case .file(let parts): parts
            case .folder(let folder): folder
            }
        }
    }

    /// Opens everything, and refuses what cannot be drawn, or would go where something else is.
    init(_ command: SampleCommand, _ ranks: SampleRanks) throws {
        (self.command, self.ranks) = (command, ranks)
        begin = clock.now
        try Self.requirePlace(command.output)
        source = try WeightsSource.open(command.source) { skipped in
            if ranks.rank == 0 { Console.log.notice("skipping \(skipped.reason)") }
        }
        job = try source.job(overriding: command.overrides, describedBy: command.from.job)
        let kind = try source.kind(command.from.weights)
        let (first, end) = (command.first, command.first.addingReportingOverflow(command.count))
        guard command.count >= 1, first >= 0, !end.overflow, end.partialValue <= SamplePlan.indexLimit.upperBound else {
            throw Failure(
                .usage,
                "--first \(first) --count \(command.count): count must be 1 or more, and indices end at "
                    + "\(SamplePlan.indexLimit.upperBound - 1)")
        }
        let range = first..<end.partialValue
        let start = try Self.noise(command.start, for: job.model)
        let names = source.labelNames
        let named = command.classes.map { SampleLabels.list($0, names: names) }
        let labels = try SampleLabels(
            job.model, classes: named ?? start?.classes?.map { String($0) }, names: names,
            vectors: try command.labels.map { try LabelSource.vectors($0, for: range) })
        plan = try SamplePlan(job, seed: command.seed, range: range, labels: labels, starts: start?.images)
        if labels == .dropped, ranks.rank == 0 {
            Console.log.notice(
                "without --labels all images are drawn for the zero label, which stood for a dropped one in training")
        }
        weights = try source.weights(command.from.weights, of: job.model)
        let engine = try command.engine.makeEngine(threads: ranks.threads)
        let autoencoder = try command.vae.map { try AutoencoderFolder($0) }
        let model = job.model
        decoder = try autoencoder.map { try LatentDecoder($0, for: model, engine: engine) }
        if ranks.rank == 0, let remark = try LatentRemarks.remark(on: job, decodedBy: autoencoder) {
            Console.log.notice("\(remark)")
        }
        var remarks = ["weights": kind ?? "", "checkpoint": source.path]
        remarks["step"] = source.step.map { String($0) }
        settings = SampleSettings(
            job, plan, engine, weights: weights.values, autoencoder: try autoencoder?.digest(), remarks: remarks)
        store = try Self.output(command, plan, settings, source.labelNames)
        drawer = SampleDrawer(plan, engine, weights: weights.values)
    }

    /// What images are drawn from in place of random noise.
    private static func noise(_ path: String?, for model: ModelConfiguration) throws -> SampleFile? {
        guard let path else { return nil }
        let file = try SampleFile(path: path)
        guard file.channels == model.channels, file.side == model.imageSize else {
            throw Failure(
                .badData,
                "\(path): /images are \(file.channels) x \(file.side) x \(file.side), and this model's \(model.channels) x "
                    + "\(model.imageSize) x \(model.imageSize)")
        }
        return file
    }

    /// The folder of the output is not made.
    private static func requirePlace(_ output: String) throws {
        let folder = Files.folder(of: output.count > 1 && output.hasSuffix("/") ? String(output.dropLast()) : output)
        guard AtomicFile.isWritableDirectory(folder) else {
            throw Failure(
                .io, "\(output): \(folder) is no folder that can be written to; make it, or give another --output")
        }
    }

    private static func output(
        _ command: SampleCommand, _ plan: SamplePlan, _ settings: SampleSettings, _ names: [String]?
    ) throws -> Output? {
        let store: Output
        if command.isFile {
            guard
                try !SampleParts.isDone(command.output, range: plan.range, settings: settings, labels: plan.labels)
            else { return nil }
            store = .file(try SampleParts(of: command.output, settings: settings, labels: plan.labels))
        } else {
            store = .folder(
                try PictureFolder(command.output, settings: settings, labels: plan.labels, names: names))
        }
        if command.columns > 0, try Files.exists(command.picture) {
            try settings.require(try PNGText.read(command.picture), of: command.picture)
        }
        return store
    }

    /// Draws this rank's share of what is not there yet.
    func draw() throws {
        guard let store = store?.store else { return }
        var groups = plan.groups
        if let task = command.task { groups = SamplePlan.share(task.task, of: task.count, groups) }
        groups = SamplePlan.share(ranks.rank, of: ranks.size, groups)
        let missing = try groups.filter { try !store.holds($0) }
        let total = missing.reduce(0) { $0 + $1.count }
        for start in stride(from: 0, to: missing.count, by: drawer.groupsAtOnce) {
            let batch = Array(missing[start..<min(start + drawer.groupsAtOnce, missing.count)])
            let goal = drawn + batch.reduce(0) { $0 + $1.count }
            let images = drawer.draw(batch) { step in
                guard ranks.rank == 0 else { return }
                line.show(
                    "images \(goal)/\(total)\(ranks.size > 1 ? " of this rank" : ""), step \(step)/\(plan.sampler.count)",
                    plain: step == plan.sampler.count)
            }
            for group in images {
                try store.add(decoder?.decoded(group) ?? group)
                made += group.iterations?.reduce(0) { $0 + Int($1) } ?? 0
            }
            drawn = goal
        }
        line.clear()
    }

    /// Rank 0, when all images are there: the file of all, the picture of all, and a word about them.
    func finish() throws {
        guard ranks.rank == 0 else { return }
        let output = command.output
        guard let store else { return print("\(output): is there, with these \(plan.range.count) images") }
        let took = String(format: "%.1f", (clock.now - begin) / .seconds(1))
        let origin = source.step.map { "of step \($0)" } ?? "from \(source.path)"
        var own = ranks.size > 1 ? "" : ", \(drawn) drawn now"
        if drawn > 0, made > 0 {
            own +=
                ", with \(String(format: "%.1f", Double(made) / Double(drawn))) iterations an image"
                + (ranks.size > 1 ? " on rank 0" : "")
        }
        if let task = command.task {
            return print("\(output): images of task \(task.task)/\(task.count) \(origin) in \(took) s\(own)")
        }
        if case .file(let parts) = store { try parts.join(plan.groups, metadata: ["job": job.yaml()]) }
        print("\(output): \(plan.range.count) images \(origin) in \(took) s\(own)")
        guard command.columns > 0 else { return }
        let classes = plan.range.compactMap { plan.labels.classNumber(of: $0).map { Int32($0) } }
        let picture = try SamplePicture(
            count: plan.range.count, classes: classes.isEmpty ? nil : classes, columns: command.columns
        ) { try store.store.image(plan.range.lowerBound + $0) }
        try picture.write(to: command.picture, texts: settings.stamp)
        print("\(command.picture): the same as a picture")
    }
}
