import Diffusion
import Model
import TestSupport
import Testing

@testable import Jobs

/// What the table of fields promises and what its owners take is the same, to the last number.
@Suite struct JobLimitTests {
    /// Fields that a field's end needs beside it, so that nothing else is wrong.
    private static func companions(_ name: String, _ value: String) -> [String] {
        switch name {
        case "model.imageSize": ["model.patchSize=1"]
        case "model.patchSize": ["model.imageSize=\(value)"]
        case "model.width": ["model.heads=1"]
        case "model.heads": ["model.width=\(value == "1" ? "4" : value)"]
        case "model.depth": value == "0" ? ["model.fixedPoint=true"] : []
        case "model.preDepth", "model.postDepth": ["model.fixedPoint=true"]
        case "model.classes": value == "0" ? ["model.conditioning=none"] : []
        case "diffusion.steps": ["diffusion.schedule=cosine", "sampling.respacing=\"\""]
        case "training.globalBatch": ["training.virtualRanks=1"]
        case "training.virtualRanks": ["training.globalBatch=\(value)"]
        case "optimizer.decaySteps": ["optimizer.schedule=cosine", "training.steps=1"]
        case "optimizer.finalLearningRate": ["optimizer.schedule=linear"]
        case "sampling.iterationList": ["sampling.respacing=1"]
        case "sampling.eta": ["sampling.sampler=ddim"]
        case "sampling.guidance": value == "0.0" ? [] : ["data.labelDropout=0.1"]
        case "data.labelDropout": ["sampling.guidance=1"]
        default: []
        }
    }

    private static let numbers = JobConfiguration.fields.filter { !$0.ends.allowed.isEmpty }

    @Test func everyNumberHasEnds() {
        let unlimited = JobConfiguration.fields.filter { field in
            field.ends.allowed.isEmpty && field.type.contains("number")
        }
        #expect(unlimited.map(\.name) == [])
        for field in Self.numbers { #expect(!field.ends.refused.isEmpty, "\(field.name)") }
    }

    @Test func endsAreAllowedByTableAndOwner() throws {
        for field in Self.numbers {
            for value in field.ends.allowed {
                let overrides = Self.companions(field.name, value) + ["\(field.name)=\(value)"]
                let job = try JobConfiguration.parse(yaml: leastJob, name: "job.yaml", overrides: overrides)
                #expect(field.value(in: job) == value)
                #expect(job.problems.isEmpty)
                #expect(job.model.problems.isEmpty, "\(field.name): \(value)")
            }
        }
    }

    @Test func whatLiesBeyondIsRefusedByTableAndOwner() throws {
        for field in Self.numbers {
            for value in field.ends.refused {
                let overrides = Self.companions(field.name, value) + ["\(field.name)=\(value)"]
                let errors = try #require(throws: JobErrors.self, "\(field.name): \(value)") {
                    try JobConfiguration.parse(yaml: leastJob, name: "job.yaml", overrides: overrides)
                }
                let found = errors.errors.first { $0.key == field.name }
                let stated = found?.message.hasPrefix("must be ") == true
                #expect(stated && found?.message.contains(", is \(value)") == true, "\(field.name): \(errors)")
            }
        }
    }

    /// The owners, asked themselves: one number further than the table goes.
    @Test func ownersRefuseWhatTheTableDoes() throws {
        var asked: [String] = []
        func change(_ key: String, _ path: WritableKeyPath<ModelConfiguration, Int>, _ limit: ClosedRange<Int>) {
            asked.append(key)
            for (value, holds) in [
                (limit.lowerBound, true), (limit.upperBound, true), (limit.lowerBound - 1, false),
                (limit.upperBound + 1, false),
            ] {
                var model = ModelConfiguration()
                model[keyPath: path] = value
                switch key {
                case "imageSize": model.patchSize = 1
                case "patchSize" where holds: model.imageSize = value
                case "width": model.heads = 1
                case "heads" where holds: model.width = max(value, 4)
                case "preDepth", "postDepth": model.fixedPoint = true
                case "depth" where value == 0: model.fixedPoint = true
                case "classes" where value == 0: model.conditioning = .none
                default: break
                }
                #expect(model.problems.contains { $0.field == key } == !holds, "\(key): \(value), \(model.problems)")
            }
        }
        change("imageSize", \.imageSize, ModelConfiguration.imageSizeLimit)
        change("channels", \.channels, ModelConfiguration.channelsLimit)
        change("patchSize", \.patchSize, ModelConfiguration.patchSizeLimit)
        change("width", \.width, ModelConfiguration.widthLimit)
        change("heads", \.heads, ModelConfiguration.headsLimit)
        change("depth", \.depth, ModelConfiguration.depthLimit)
        change("preDepth", \.preDepth, ModelConfiguration.preDepthLimit)
        change("postDepth", \.postDepth, ModelConfiguration.postDepthLimit)
        change("classes", \.classes, ModelConfiguration.classesLimit)
        let inTable = Self.numbers.filter { $0.section == "model" && $0.name != "model.mlpRatio" }.map(\.key)
        #expect(Set(asked) == Set(inTable))
        for field in Self.numbers where field.section == "model" && field.key != "mlpRatio" {
            let ends = [field.ends.allowed.first, field.ends.allowed.last].compactMap { $0.flatMap(Int.init) }
            #expect(ends.count == 2, "\(field.name)")
        }
        var model = ModelConfiguration()
        for (ratio, holds) in [
            (ModelConfiguration.mostMLPRatio, true), (ModelConfiguration.mostMLPRatio.nextUp, false),
        ] {
            model.mlpRatio = ratio
            #expect(model.problems.isEmpty == holds)
        }
        for eta in [Sampler.etaLimit.lowerBound.nextDown, Sampler.etaLimit.upperBound.nextUp] {
            #expect(throws: DiffusionError.self) {
                try Sampler(DiffusionConfiguration(), learnSigma: false, channels: 1, pixels: 1, kind: .ddim, eta: eta)
            }
        }
        #expect(throws: DiffusionError.self) {
            let most = IterationAllocation.iterationsLimit.upperBound
            return try IterationAllocation.budget(total: 2 * most + 1, steps: 2, kind: .constant)
        }
    }
}
