import Compute
import Diffusion
import Foundation
import Jobs
import Model
import TestSupport
import Testing

/// A sound job in which every field may have another value than its default.
private func randomJob(_ random: inout some RandomNumberGenerator) -> JobConfiguration {
    func flip() -> Bool { Bool.random(using: &random) }
    func count(_ range: ClosedRange<Int>) -> Int { Int.random(in: range, using: &random) }
    func number(_ range: ClosedRange<Double>) -> Double { Double.random(in: range, using: &random) }
    func one<T: CaseIterable>(of type: T.Type) -> T where T.AllCases == [T] {
        T.allCases[count(0...T.allCases.count - 1)]
    }
    let signs = Array("aZ09 :#'\"\\/.-_,[]{}&*!|>%@`~=\t\n\u{7}\u{85}äß漢🙂")
    func text() -> String { String((0..<count(1...12)).map { _ in signs[count(0...signs.count - 1)] }) }

    var job = JobConfiguration()
    job.run.directory = text()
    job.run.name = flip() ? nil : [text(), "null", "true", "12", "~", "", "1e3", "no", ".inf", "1:30"][count(0...9)]
    job.run.seed = count(0...Int.max)
    job.run.threads = count(0...3)
    job.run.logEvery = count(1...100)
    job.run.metricsEvery = count(1...100)
    job.run.residualsEvery = count(0...100)
    job.run.timeLimit = [.automatic, .unlimited, .seconds(count(1...2_000_000))][count(0...2)]
    job.run.watchdog = count(0...5000)
    job.model.conditioning = one(of: ModelConfiguration.Conditioning.self)
    job.model.patchSize = count(1...4)
    job.model.imageSize = job.model.patchSize * count(1...9)
    job.model.channels = count(1...5)
    job.model.heads = count(1...5)
    job.model.width = 4 * job.model.heads * count(1...9)
    job.model.depth = count(1...30)
    job.model.mlpRatio = number(1...5)
    job.model.classes = count(1...2000)
    job.model.fixedPoint = flip()
    job.model.preDepth = count(0...3)
    job.model.postDepth = count(0...3)
    job.model.prePostTimestepConditioning = flip()
    if count(0...3) == 0 { _ = job.model.apply(named: "DiT-\(["S", "B", "L", "XL"][count(0...3)])/2") }
    if !job.model.imageSize.isMultiple(of: job.model.patchSize) { job.model.imageSize *= 2 }
    job.diffusion.target = one(of: DiffusionConfiguration.Target.self)
    if job.diffusion.target != .flow { job.diffusion.schedule = one(of: DiffusionConfiguration.Schedule.self) }
    job.diffusion.steps = count(100...2000)
    job.diffusion.zeroTerminalSNR = [.v, .x0].contains(job.diffusion.target) && flip()
    if job.diffusion.target == .v { job.diffusion.weighting = one(of: DiffusionConfiguration.Weighting.self) }
    let flow = job.diffusion.target == .flow
    job.model.learnSigma = !flow && flip()
    let losses = DiffusionConfiguration.Loss.allCases.filter {
        (!$0.isBound || !flow && job.diffusion.weighting == .snrPlusOne)
            && ($0 != .rescaledMSE || job.model.learnSigma)
    }
    job.diffusion.loss = losses[count(0...losses.count - 1)]
    if !flow, !job.model.learnSigma {
        job.diffusion.fixedVariance = one(of: DiffusionConfiguration.FixedVariance.self)
    }
    job.data.path = text()
    job.data.shuffle = flip() ? nil : one(of: JobConfiguration.Data.Shuffle.self)
    job.data.window = count(1...5000)
    job.data.stage = flip() ? nil : text()
    job.data.horizontalFlip = flip()
    job.data.labelDropout = job.model.conditioning == .none ? 0 : number(0.01...1)
    if flip() { job.training.steps = count(1000...1_000_000) } else { job.training.epochs = number(0.1...1000) }
    job.training.virtualRanks = count(1...40)
    job.training.globalBatch = job.training.virtualRanks * count(1...20)
    job.training.microbatch = flip() ? 0 : count(1...job.training.virtualRankSize)
    job.training.iterationsWithoutGradient = IterationRange(count(0...5), count(5...9))
    job.training.iterationsWithGradient = IterationRange(count(1...5), count(5...9))
    job.training.backward = one(of: SolveGradient.self)
    job.training.timestepSampler = one(of: TimestepSampling.self)
    job.training.activations = flip() ? nil : one(of: ActivationMode.self)
    job.training.precision = flip() ? nil : one(of: Precision.self)
    job.run.gemm = one(of: MatrixLibrary.self)
    job.optimizer.learningRate = number(1e-7...1)
    job.optimizer.warmupSteps = count(0...1000)
    job.optimizer.schedule = one(of: JobConfiguration.Optimizer.Schedule.self)
    job.optimizer.decaySteps = job.optimizer.schedule == .constant ? 0 : count(0...2_000_000)
    job.optimizer.finalLearningRate = job.optimizer.schedule == .constant ? 0 : number(0.01...1)
    if flip(), job.optimizer.decaySteps == 0 || job.optimizer.decaySteps >= job.training.steps {
        job.optimizer.finalLearningRate = 0
    }
    job.optimizer.beta1 = number(0...0.99)
    job.optimizer.beta2 = number(0...0.999)
    job.optimizer.epsilon = number(1e-12...1e-5)
    job.optimizer.weightDecay = number(0...1)
    job.optimizer.clipNorm = flip() ? nil : number(0.1...10)
    job.training.maxSkippedSteps = count(0...20)
    job.training.checkWeightsEvery = count(0...20)
    job.validation.path = flip() ? nil : text()
    job.validation.every = count(1...5000)
    job.validation.batches = count(1...20)
    job.ema.decay = number(0...1)
    job.ema.warmup = flip()
    job.checkpoint.every = count(0...5000)
    job.checkpoint.background = flip()
    job.checkpoint.keepLast = count(0...5)
    job.checkpoint.keepEvery = count(0...5000)
    job.sampling.sampler = flow ? [nil, .flow, .heun][count(0...2)] : [nil, .ddpm, .ddim][count(0...2)]
    job.sampling.respacing = flow || flip() ? "\(count(1...100))" : "10,15,25"
    job.sampling.iterations = count(1...50)
    job.sampling.allocation = one(of: IterationAllocation.self)
    if job.sampling.respacing == "10,15,25", flip() { job.sampling.iterationList = (0..<50).map { _ in count(1...30) } }
    job.sampling.tolerance = flip() ? 0 : number(1e-6...1)
    job.sampling.solver = one(of: SolveMethod.self)
    job.sampling.solverMemory = count(2...20)
    job.sampling.guidanceInterval = flip() ? nil : GuidanceInterval(0, 1)
    job.sampling.reuseSolution = flip()
    job.sampling.eta = job.sampling.sampler == .ddim ? number(0...1) : 0
    job.sampling.guidance = job.model.conditioning == .none ? 1 : number(0...9)
    job.sampling.guidedChannels = flip() ? nil : count(1...job.model.channels)
    job.sampling.clip = flip()
    job.sampling.batch = count(1...500)
    return job
}

@Suite struct JobPrintingTests {
    @Test func aPrintedJobReadsBackEqual() throws {
        var random = SystemRandomNumberGenerator()
        var seen: [String: Set<String>] = [:]
        for _ in 0..<300 {
            let job = randomJob(&random)
            let yaml = job.yaml()
            #expect(job.problems.isEmpty, "\(job.problems)\n\(yaml)")
            #expect(try JobConfiguration.parse(yaml: yaml, name: "printed.yaml") == job, "\(yaml)")
            for field in JobConfiguration.fields { seen[field.name, default: []].insert(field.value(in: job)) }
        }
        let constant = seen.filter { $0.value.count < 2 }.keys.sorted()
        #expect(constant.isEmpty, "these fields were not put to the test")
    }

    @Test func fieldsAreTheStoredProperties() {
        var names: [String] = []
        for section in Mirror(reflecting: JobConfiguration()).children {
            for property in Mirror(reflecting: section.value).children {
                names.append("\(section.label ?? "?").\(property.label ?? "?")")
            }
        }
        // A size's name stands for other fields.
        #expect(Set(JobConfiguration.fields.map(\.name)) == Set(names + ["model.name"]))
        #expect(JobConfiguration.fields.count == names.count + 1)
        for section in JobConfiguration.sections {
            #expect(section.fields.allSatisfy { $0.section == section.key })
        }
    }

    /// A field that reads and writes another property than the one it is named after would still round-trip.
    @Test func fieldsAreNamedAfterTheirProperties() {
        var random = SystemRandomNumberGenerator()
        for _ in 0..<20 {
            let job = randomJob(&random)
            for section in Mirror(reflecting: job).children {
                for property in Mirror(reflecting: section.value).children {
                    let name = "\(section.label ?? "?").\(property.label ?? "?")"
                    if name == "training.steps", job.training.epochs != nil { continue }
                    let written = JobConfiguration.fields.first { $0.name == name }?.value(in: job) ?? "no field"
                    let expected: String
                    switch property.value {
                    case is String, is String?: continue  // quoted at times; told apart by the parsing tests
                    case let range as IterationRange: expected = "[\(range.min), \(range.max)]"
                    case let range as GuidanceInterval?:
                        expected = range.map { "[\($0.lowest), \($0.highest)]" } ?? "null"
                    case let list as [Int]?: expected = list.map { "\($0)" } ?? "null"
                    case nil as SamplerKind? where name == "sampling.sampler",
                        nil as ActivationMode? where name == "training.activations":
                        expected = "auto"
                    case let choice as any RawRepresentable<String>: expected = choice.rawValue
                    case 0 as Int where ["run.threads", "training.microbatch", "optimizer.decaySteps"].contains(name):
                        expected = "auto"
                    case let count as Int?: expected = count.map { "\($0)" } ?? "null"
                    case let number as Double?: expected = number.map { "\($0)" } ?? "null"
                    default: expected = "\(property.value)"
                    }
                    #expect(written == expected, "\(name)")
                }
            }
        }
    }

    @Test func aPrintedJobIsPlain() throws {
        let lines = try job("model.name=FPDM-S/2", "training.microbatch=4").yaml().split(separator: "\n")
        for line in [
            "run:", "  directory: runs/x", "  name: null", "  threads: auto", "  name: FPDM-S/2", "  fixedPoint: true",
            "  microbatch: 4", "  iterationsWithoutGradient: [0, 12]", "  weighting: snr+1", "  learningRate: 0.0001",
            "  respacing: \"50\"", "  guidedChannels: null",
        ] {
            #expect(lines.contains(Substring(line)), "\(line)")
        }
    }

    /// `FPDM_WRITE_DOCS=1 swift test --filter documentationIsCurrent` writes the file.
    @Test func documentationIsCurrent() throws {
        let file = URL(fileURLWithPath: "\(repository)/docs/jobs.md")
        if ProcessInfo.processInfo.environment["FPDM_WRITE_DOCS"] != nil {
            try JobConfiguration.documentation().write(to: file, atomically: true, encoding: .utf8)
        }
        let committed = try String(contentsOf: file, encoding: .utf8)
        #expect(
            committed == JobConfiguration.documentation(),
            "docs/jobs.md is out of date: FPDM_WRITE_DOCS=1 swift test --filter documentationIsCurrent writes it")
    }

    @Test func everyFieldIsDocumentedInOneCell() {
        for field in JobConfiguration.fields {
            let cells = field.documentation + field.type
            #expect(field.documentation.hasSuffix("."), "\(field.name)")
            #expect(!cells.contains("|") && !cells.contains("\n"), "\(field.name)")
        }
    }
}
