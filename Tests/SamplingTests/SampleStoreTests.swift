import Compute
import Jobs
import Model
import Reporting
import Storage
import TestSupport
import Testing

@testable import Sampling

@Suite("Stores of samples")
struct SampleStoreTests {
    private let settings = SampleSettings(
        values: ["seed": "3", "steps": "4", "weightsDigest": "0a0b0c0d"], remarks: ["backend": "here"])
    private let labels = SampleLabels.classes(turn: [2, 0])

    private func drawn(_ range: Range<Int>) -> DrawnImages {
        DrawnImages(
            indices: Array(range), channels: 1, side: 4,
            values: range.flatMap { index in (0..<16).map { Float(index * 16 + $0) / 160 - 1 } },
            classes: range.map { Int32(labels.classNumber(of: $0) ?? 0) })
    }

    @Test("texts of a PNG file are read back, in any script, and its pixels stay")
    func texts() throws {
        let scratch = try TestFolder()
        let picture = ByteImage(width: 2, height: 1, channels: 3, pixels: [1, 2, 3, 4, 5, 6])
        let texts = ["class": "Stiefel, für Füße", "seed": "-7", "word": "長靴", "empty": ""]
        try picture.write(to: scratch("a.png"), texts: texts)
        #expect(try PNGText.read(scratch("a.png")) == texts)
        #expect(try ByteImage.read(scratch("a.png")) == picture)
        try picture.write(to: scratch("b.png"))
        #expect(try PNGText.read(scratch("b.png")).isEmpty)
        var bytes = try Files.read(scratch("a.png"))
        bytes[60] ^= 1
        try AtomicFile.write(bytes, to: scratch("c.png"))
        #expect(storageError { _ = try PNGText.read(scratch("c.png")) }?.kind == .malformed)
    }

    @Test("pictures are named and stamped; what is there is found again")
    func folder() throws {
        let scratch = try TestFolder()
        func open(_ settings: SampleSettings) throws -> PictureFolder {
            try PictureFolder(scratch("p"), settings: settings, labels: labels, names: ["Ankle boot", "b", "c"])
        }
        let folder = try open(settings)
        #expect(try !folder.holds(0..<8))
        try folder.add(drawn(0..<8))
        let names = try Files.names(in: scratch("p")).sorted()
        #expect(names.prefix(2) == ["00000000-2-c.png", "00000001-0-ankle-boot.png"] && names.count == 8)
        let texts = try PNGText.read(scratch("p/00000001-0-ankle-boot.png"))
        #expect(
            texts == [
                "seed": "3", "steps": "4", "weightsDigest": "0a0b0c0d", "backend": "here", "index": "1", "class": "0",
            ])
        let again = try open(settings)
        #expect(try again.holds(0..<8) && again.holds(2..<3) && !again.holds(0..<9))
        #expect(zip(try again.image(1).values, drawn(1..<2).values).allSatisfy { abs($0 - $1) < 1 / 255 })
        // A backend is told, not compared; other settings, or another class, are refused.
        _ = try open(SampleSettings(values: settings.values, remarks: ["backend": "there"]))
        let other = SampleSettings(values: settings.values.merging(["seed": "4"]) { $1 })
        let refused = statedFailure { _ = try open(other) }
        #expect(refused?.status == .cannotCreate && refused?.description.contains("seed is 3 there and 4 here") == true)
        let elsewhere = try PictureFolder(scratch("p"), settings: settings, labels: .classes(turn: [1]), names: nil)
        let mixed = statedFailure { _ = try elsewhere.holds(0..<8) }
        #expect(mixed?.description.contains("class is 2 there and 1 here") == true)
        try ByteImage(width: 1, height: 1, channels: 1, pixels: [0]).write(to: scratch("p/00000000-2-c.png"))
        let foreign = statedFailure { _ = try open(settings) }
        #expect(foreign?.status == .cannotCreate && foreign?.description.contains("give another --output") == true)
    }

    @Test("parts become one file, which is the same whoever has drawn them")
    func parts() throws {
        let scratch = try TestFolder()
        let path = scratch("s.h5")
        let groups = [3..<8, 8..<16, 16..<18]
        let parts = try SampleParts(of: path, settings: settings, labels: labels)
        for group in [groups[1], groups[0]] { try parts.add(drawn(group)) }
        let again = try SampleParts(of: path, settings: settings, labels: labels)
        #expect(try groups.map(again.holds) == [true, true, false])
        try again.add(drawn(groups[2]))
        // A second task that has drawn the same changes nothing.
        try again.add(drawn(groups[2]))
        try again.join(groups, metadata: ["job": "model: {}"])
        let file = try SampleFile(path: path)
        #expect(file.images == drawn(3..<18).values && file.classes == drawn(3..<18).classes)
        #expect(file.metadata["seed"] == "3" && file.metadata["job"] == "model: {}" && file.metadata["first"] == "3")
        #expect(try again.image(4).values == drawn(4..<5).values)
        #expect(try Files.names(in: scratch.path) == ["s.h5"])
        func isDone(_ range: Range<Int>, _ settings: SampleSettings, _ labels: SampleLabels) throws -> Bool {
            try SampleParts.isDone(path, range: range, settings: settings, labels: labels)
        }
        #expect(try isDone(3..<18, settings, labels))
        for wrong in [
            statedFailure { _ = try isDone(3..<19, settings, labels) },
            statedFailure { _ = try isDone(3..<18, settings, .classes(turn: [2])) },
            statedFailure { _ = try isDone(3..<18, SampleSettings(values: ["weightsDigest": "1"]), labels) },
        ] { #expect(wrong?.status == .cannotCreate) }
    }

    @Test("a checkpoint's weights and those exported of it have one digest; others another")
    func digests() throws {
        let saved = try SavedNetwork()
        let table = saved.table
        try WeightsExport.write(saved.reader, weights: .ema, to: saved.folder("w.safetensors"), table: table)
        try WeightsExport.writeFolder(saved.reader, weights: .ema, to: saved.folder("m"), table: table)
        func digest(_ path: String, _ kind: SavedWeights? = nil) throws -> String {
            let source = try WeightsSource.open(saved.folder(path)) { _ in }
            #expect(source.labelNames == ["x", "y", "z"])
            let job = try source.job(overriding: ["sampling.respacing=3"])
            #expect(job.sampling.respacing == "3" && job.model == saved.job.model)
            let weights = try source.weights(kind, of: job.model)
            return withExtendedLifetime(weights) { SampleSettings.digest(weights.values, job.model) }
        }
        let average = try digest("run")
        #expect(try digest("w.safetensors") == average && digest("m") == average)
        #expect(try digest("run", .model) != average)
        #expect(try Files.names(in: saved.folder("m")).sorted() == ["job.yaml", "model.safetensors"])
    }

    @Test("settings are those that decide about bits")
    func stamps() throws {
        var job = JobConfiguration()
        job.model = tinyModel { $0.fixedPoint = true }
        job.sampling.respacing = "4"
        func values(_ change: (inout JobConfiguration) -> Void = { _ in }, seed: Int = 1) throws -> [String: String] {
            var own = job
            change(&own)
            let plan = try SamplePlan(own, seed: seed, range: 0..<3, labels: SampleLabels(own.model))
            let engine = try Engine(threads: 1)
            return withMemory { memory in
                SampleSettings(
                    own, plan, engine, weights: memory.floats(testWeights(ParameterTable(own.model))), remarks: [:]
                ).values
            }
        }
        let plain = try values()
        #expect(plain["sampler"] == "ddpm" && plain["steps"] == "4" && plain["seed"] == "1" && plain["eta"] == "0.0")
        #expect(plain["precision"] == "float32" && plain["version"] == ProgramVersion.current)
        #expect(try values { $0.sampling.batch = 3 } == plain && values { $0.training.steps = 3 } == plain)
        #expect(try values { $0.sampling.guidance = 2 } != plain && values(seed: 2) != plain)
        #expect(try values { $0.diffusion.schedule = .cosine } != plain)
    }
}
