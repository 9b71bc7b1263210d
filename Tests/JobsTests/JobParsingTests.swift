import Diffusion
import Foundation
import Jobs
import Model
import TestSupport
import Testing

@Suite struct JobParsingTests {
    @Test func unsaidFieldsHaveTheirDefaults() throws {
        var expected = JobConfiguration()
        expected.run.directory = "runs/x"
        expected.data.path = "data/x"
        #expect(try job() == expected)
        #expect(expected.model == ModelConfiguration())
        #expect(expected.diffusion == DiffusionConfiguration())
        #expect(expected.training.iterationsWithoutGradient == IterationRange(0, 12))
        #expect(expected.training.iterationsWithGradient == IterationRange(1, 12))
        #expect(expected.optimizer.learningRate == 1e-4)
        #expect(expected.ema.decay == 0.9999)
        #expect(expected.training.microbatch == 0 && expected.training.precision == .float32)
        #expect(expected.run.gemm == .auto)
    }

    @Test func everyKindOfValueIsRead() throws {
        let yaml = """
            run:
              directory: "runs/with: colon"   # a comment
              name: 17
              threads: auto
            model: {width: 1_28, heads: 4, conditioning: none, learnSigma: False, mlpRatio: 2}
            diffusion:
              target: v
              weighting: snr
            data: {path: ./data/x}
            training:
              microbatch: 4
              iterationsWithGradient: [2, 3]
            optimizer:
              learningRate: 1e-3
            ema:
            sampling:
              guidedChannels: 3
            """
        let job = try JobConfiguration.parse(yaml: yaml, name: "job.yaml")
        #expect(job.run.directory == "runs/with: colon")
        #expect(job.run.name == "17")
        #expect(job.run.threads == 0)
        #expect(job.model.width == 128)
        #expect(job.model.conditioning == .none)
        #expect(!job.model.learnSigma)
        #expect(job.model.mlpRatio == 2)
        #expect(job.diffusion.target == .v)
        #expect(job.diffusion.weighting == .snr)
        #expect(job.training.microbatch == 4)
        #expect(job.training.iterationsWithGradient == IterationRange(2, 3))
        #expect(job.optimizer.learningRate == 0.001)
        #expect(job.sampling.guidedChannels == 3)
        #expect(job.data.labelDropout == 0, "there are no labels to drop")
    }

    @Test func aNameSetsTheSizeAndKeysBesideItWin() throws {
        let text = leastJob + "model: {width: 64, heads: 4, name: FPDM-XL/2}\n"
        let mixed = try JobConfiguration.parse(yaml: text, name: "job.yaml")
        #expect(mixed.model.depth == 28 && mixed.model.patchSize == 2 && mixed.model.fixedPoint)
        #expect(mixed.model.width == 64 && mixed.model.heads == 4)
        // An override is a layer above the file; in a layer the order of keys does not matter.
        let over = try JobConfiguration.parse(
            yaml: text, name: "job.yaml", overrides: ["model.heads=8", "model.name=DiT-S/4"])
        #expect(over.model.width == 384 && over.model.heads == 8 && over.model.patchSize == 4)
        #expect(over.model.fixedPoint, "a DiT's name tells the size only")
    }

    @Test func overridesAreTakenInOrder() throws {
        let job = try job(
            "training.steps=5", "training.steps=7", "run.directory=a b: #c", "training.iterationsWithGradient=[1, 6]",
            "run.name=", "optimizer.learningRate=2e-3", "run.directory=a b: #c")
        #expect(job.training.steps == 7)
        #expect(job.run.directory == "a b: #c")
        #expect(job.run.name == nil)
        #expect(job.training.iterationsWithGradient == IterationRange(1, 6))
        #expect(job.optimizer.learningRate == 0.002)
    }

    @Test func unknownKeysAreNamedWithLineAndSuggestion() {
        #expect(
            refusal(of: leastJob + "training:\n  steps: 3\n  globalbatch: 8\n")
                == ["job.yaml:5: training.globalbatch: unknown key; did you mean training.globalBatch?"])
        #expect(
            refusal(of: leastJob + "trainig:\n  steps: 3\n")
                == ["job.yaml:3: trainig: unknown section; did you mean training?"])
        #expect(
            refusal(of: leastJob + "training: {learningRate: 3}\n")
                == ["job.yaml:3: training.learningRate: unknown key; did you mean optimizer.learningRate?"])
        #expect(
            refusal(of: leastJob + "globalBatch: 3\n")
                == ["job.yaml:3: globalBatch: unknown key; did you mean training.globalBatch?"])
        #expect(
            refusal(of: leastJob + "checkpoint:\n  zzz: 3\n")
                == ["job.yaml:4: checkpoint.zzz: unknown key; checkpoint has every, background, keepLast, keepEvery"])
    }

    @Test(arguments: [
        ("training: {steps: many}", "training.steps: found the text \"many\", wanted a whole number"),
        ("training: {steps: 3.5}", "training.steps: found the number 3.5, wanted a whole number"),
        ("training: {steps: \"3\"}", "training.steps: found the text \"3\", wanted a whole number"),
        ("training: {steps: }", "training.steps: found nothing, wanted a whole number"),
        ("training: {steps: 99999999999999999999}", "the number 99999999999999999999, wanted a whole number"),
        (
            "training: {microbatch: none}",
            "training.microbatch: found the text \"none\", wanted auto (or 0) or a whole number"
        ),
        (
            "training: {iterationsWithGradient: 3}",
            "found the number 3, wanted a range of whole numbers such as [1, 12]"
        ),
        ("training: {iterationsWithGradient: [1, 2, 3]}", "found a list, wanted a range of whole numbers"),
        ("optimizer: {learningRate: true}", "optimizer.learningRate: found true, wanted a number"),
        ("optimizer: {learningRate: nan}", "found the text \"nan\", wanted a number"),
        ("optimizer: {learningRate: 1e999}", "wanted a number"),
        ("optimizer: {schedule: cosin}", "wanted constant, cosine or linear; did you mean cosine?"),
        ("model: {learnSigma: yes}", "model.learnSigma: found the text \"yes\", wanted true or false"),
        ("model: {name: DiT-XXL/2}", "wanted a published size such as DiT-XL/2, or nothing; did you mean DiT-XL/2?"),
        ("model: 3", "model: found the number 3, wanted keys such as model.name"),
        ("ema: [decay]", "ema: found a list, wanted keys such as ema.decay"),
    ])
    func wrongTypesSayWhatWasFoundAndWhatIsWanted(line: String, message: String) {
        let found = refusal(of: leastJob + line + "\n")
        #expect(found.count == 1)
        #expect(found.first?.hasPrefix("job.yaml:3: ") == true && found.first?.contains(message) == true, "\(found)")
    }

    @Test func textMustBeGivenAsText() {
        #expect(
            refusal(of: "run:\n  directory: [a]\ndata: {path: x}\n")
                == ["job.yaml:2: run.directory: found a list, wanted a text"])
        #expect(
            refusal(of: "run:\n  seed: 3\ndata: {path: }\n") == [
                "job.yaml:3: data.path: found nothing, wanted a text",
                "job.yaml:1: run.directory: is required; give it in the job file or by --set",
            ])
    }

    @Test func allMistakesAreListed() {
        let found = refusal(
            of: leastJob + "training:\n  step: 3\n  globalBatch: x\nfoo: 1\nema: {decay: 2}\n",
            ["optimizer.beta1=1", "nonsense"])
        #expect(
            found == [
                "job.yaml:4: training.step: unknown key; did you mean training.steps?",
                "job.yaml:5: training.globalBatch: found the text \"x\", wanted a whole number",
                "job.yaml:6: foo: unknown section; a job has run, model, diffusion, data, training, optimizer, ema, "
                    + "validation, checkpoint, sampling",
                "--set nonsense: wanted section.key=value, such as training.steps=300",
                "--set optimizer.beta1=1: must be at least 0 and less than 1, is 1.0",
                "job.yaml:7: ema.decay: must be from 0 to 1, is 2.0",
            ])
    }

    @Test(arguments: [
        ("training.globalbatch=4", "unknown key; did you mean training.globalBatch?"),
        ("training.gradientShards=4", "unknown key; did you mean training.virtualRanks?"),
        ("trainng.steps=4", "unknown section; did you mean training?"),
        ("training.steps=many", "found the text \"many\", wanted a whole number"),
        ("training.steps=", "found nothing, wanted a whole number"),
        ("training.steps={", "the value is not YAML; wanted a whole number, from 1 to 4294967295"),
        ("training=4", "wanted section.key=value, such as training.steps=300"),
        ("training.steps", "wanted section.key=value, such as training.steps=300"),
        ("training.microbatch=33", "33 is more than the 32 samples of a virtual rank"),
        ("run.directory=", "found nothing, wanted a text"),
        ("run.directory=\"\"", "is required"),
    ])
    func overridesAreBlamedByName(override: String, message: String) throws {
        let errors = try #require(throws: JobErrors.self) { try job(override) }
        #expect(errors.cause == .usage)
        #expect(errors.errors.count == 1)
        #expect(errors.description.hasPrefix("--set \(override): \(message)"), "\(errors)")
    }

    @Test func aKeyWrittenTwiceIsRefused() {
        #expect(
            refusal(of: leastJob + "training:\n  steps: 3\n  globalBatch: 8\n  steps: 4\n")
                == ["job.yaml:6: training.steps: is written twice, first in line 4; keep one of them"])
        #expect(
            refusal(of: leastJob + "run: {seed: 3}\n")
                == ["job.yaml:3: run: is written twice, first in line 1; keep one of them"])
    }

    @Test func whatIsNoJobIsRefused() {
        #expect(refusal(of: "")[0] == "job.yaml: is empty; start from one of the files in jobs/")
        #expect(refusal(of: "# only a comment\n")[0] == "job.yaml: is empty; start from one of the files in jobs/")
        #expect(refusal(of: "- a\n")[0] == "job.yaml:1: found a list, wanted sections such as run, model and training")
        #expect(refusal(of: "run:\n  seed: [1\ndata: 3\n")[0].hasPrefix("job.yaml:3: not YAML: "))
        #expect(refusal(of: "run: *x\n")[0].hasPrefix("job.yaml:1: not YAML: "))
        #expect(refusal(of: leastJob + "---\na: 1\n")[0].hasPrefix("job.yaml:3: not YAML: "))
        #expect(refusal(of: "run:\n\tseed: 1\n")[0].hasPrefix("job.yaml:2: not YAML: "))
    }

    @Test func aMissingFileIsNoInput() throws {
        let missing = try #require(throws: JobErrors.self) { try JobConfiguration.load(path: "jobs/none.yaml") }
        #expect(missing.cause == .noInput)
        #expect(missing.description.hasPrefix("jobs/none.yaml: no such job file"))
        let folder = try #require(throws: JobErrors.self) { try JobConfiguration.load(path: repository) }
        #expect(folder.cause == .noInput)
        let binary = FileManager.default.temporaryDirectory.appendingPathComponent("job-\(UUID()).yaml")
        try Data([0x72, 0xFF, 0xFE]).write(to: binary)
        defer { try? FileManager.default.removeItem(at: binary) }
        let bytes = try #require(throws: JobErrors.self) { try JobConfiguration.load(path: binary.path) }
        #expect(bytes.cause == .badData)
        #expect(bytes.description.contains("is not UTF-8 text"))
        // Longer than any memory, and nearly all of it a hole.
        #expect(truncate(binary.path, 4 << 40) == 0)
        let huge = try #require(throws: JobErrors.self) { try JobConfiguration.load(path: binary.path) }
        #expect(huge.cause == .badData && huge.description.contains("at most 1048576"), "\(huge)")
    }

    /// `fpdm train <(cat job)`: a pipe has no length.
    @Test func aPipeIsReadToItsEnd() throws {
        let folder = try TestFolder()
        let path = folder("pipe")
        #expect(mkfifo(path, 0o600) == 0)
        // More than a pipe holds at a time.
        let text = String(repeating: "# a long comment\n", count: 10_000) + leastJob
        Thread.detachNewThread {
            guard let pipe = FileHandle(forWritingAtPath: path) else { return }
            try? pipe.write(contentsOf: Data(text.utf8))
            try? pipe.close()
        }
        #expect(try JobConfiguration.load(path: path) == job())
    }

    @Test(arguments: ["digits", "digits-dit", "imagenet256-fpdm-xl", "photos"])
    func committedJobsAreSound(name: String) throws {
        let path = "\(repository)/jobs/\(name).yaml"
        let job = try JobConfiguration.load(path: path, overrides: ["run.seed=3"])
        #expect(job.run.directory == "runs/\(name)")
        #expect(job.run.seed == 3)
        for ranks in 1...8 { #expect(job.problems(forRanks: ranks).isEmpty) }
        #expect(job.warnings == [])
    }

    @Test func thePaperJobIsThePapers() throws {
        let job = try JobConfiguration.load(
            path: "\(repository)/jobs/imagenet256-fpdm-xl.yaml")
        #expect(job.model.fixedPoint && job.model.width == 1152 && job.model.heads == 16 && job.model.patchSize == 2)
        #expect(job.model.preDepth == 1 && job.model.postDepth == 1 && job.model.learnSigma)
        #expect(job.model.imageSize == 32 && job.model.channels == 4 && job.model.classes == 1000)
        #expect(job.optimizer.weightDecay == 0 && job.optimizer.learningRate == 1e-4 && job.ema.decay == 0.9999)
        #expect(job.training.globalBatch == 512)
        #expect(job.training.iterationsWithoutGradient == IterationRange(0, 12))
        #expect(job.training.iterationsWithGradient == IterationRange(1, 12))
    }
}
