import Compute
import Diffusion
import Jobs
import Model
import Sampling
import TestSupport
import Testing

@Suite("Sample plan")
struct SamplePlanTests {
    private func job(_ change: (inout JobConfiguration) -> Void = { _ in }) -> JobConfiguration {
        var job = JobConfiguration()
        job.model = tinyModel { $0.fixedPoint = true }
        (job.sampling.respacing, job.sampling.iterations, job.sampling.batch) = ("4", 2, 3)
        change(&job)
        return job
    }

    private func plan(
        _ job: JobConfiguration, seed: Int = 0, _ range: Range<Int>, classes: [String]? = nil
    ) throws -> SamplePlan {
        try SamplePlan(job, seed: seed, range: range, labels: SampleLabels(job.model, classes: classes))
    }

    /// The images of a plan, drawn as many groups at a time as go.
    private func run(
        _ plan: SamplePlan, threads: Int = 2, library: MatrixLibrary = .auto, groups: [Range<Int>]? = nil
    ) throws -> [Float] {
        let engine = try Engine(threads: threads, library: library)
        return withMemory { memory in
            let drawer = SampleDrawer(
                plan, engine, weights: memory.floats(testWeights(ParameterTable(plan.model))))
            let groups = groups ?? plan.groups
            var values: [Float] = []
            for start in stride(from: 0, to: groups.count, by: drawer.groupsAtOnce) {
                let images = drawer.draw(Array(groups[start..<min(start + drawer.groupsAtOnce, groups.count)]))
                for group in images { values += group.values }
            }
            return values
        }
    }

    private func classNumbers(_ plan: SamplePlan) -> [Int?] { plan.range.map(plan.labels.classNumber(of:)) }

    @Test("classes come in turn, by the image's index")
    func turns() throws {
        #expect(try classNumbers(plan(job(), 0..<5)) == [0, 1, 2, 0, 1])
        #expect(try classNumbers(plan(job(), 4..<7)) == [1, 2, 0])
        #expect(try classNumbers(plan(job(), 0..<5, classes: ["2", "0"])) == [2, 0, 2, 0, 2])
        #expect(try classNumbers(plan(job(), 0..<1, classes: ["1", "2"])) == [1])
        for conditioning in [ModelConfiguration.Conditioning.continuous, .none] {
            let plan = try plan(job { $0.model.conditioning = conditioning }, 0..<2)
            #expect(classNumbers(plan) == [nil, nil])
        }
    }

    @Test("classes are named, too; a name that there is none of is refused with those that there are")
    func names() throws {
        let model = job().model
        func turn(_ classes: [String], _ names: [String]?) throws -> SampleLabels {
            try SampleLabels(model, classes: classes, names: names)
        }
        let names = ["Ankle boot", "1", "Bag"]
        #expect(try turn(["bag", "Ankle boot", "1"], names) == .classes(turn: [2, 0, 1]))
        #expect(try turn(["0", "2"], names) == .classes(turn: [0, 2]))
        // Of names that are numbers, those of others among them.
        #expect(try turn(["1", "2", "10", "0"], ["1", "10", "2"]) == .classes(turn: [0, 2, 1, 0]))
        let unknown = statedFailure { _ = try turn(["hat"], names) }
        #expect(unknown?.status == .usage && unknown?.description.contains("0 Ankle boot, 1 1, 2 Bag") == true)
        let unnamed = statedFailure { _ = try turn(["bag"], nil) }
        #expect(unnamed?.status == .usage && unnamed?.description.contains("numbers from 0 to 2") == true)
    }

    @Test("what cannot be drawn is refused, with what can")
    func refusals() throws {
        for classes in [["3"], ["0", "-1"], ["1", "2", "99"]] {
            let wrong = statedFailure { _ = try plan(job(), 0..<5, classes: classes) }
            #expect(wrong?.status == .usage)
            #expect(wrong?.description.contains("class \(classes.last ?? "") is outside 0...2") == true)
        }
        let empty = statedFailure { _ = try plan(job(), 0..<5, classes: []) }
        #expect(empty?.status == .usage && empty?.description.contains("--classes") == true)
        for range in [0..<0, -1..<3, 5..<SamplePlan.indexLimit.upperBound + 1] {
            let wrong = statedFailure { _ = try plan(job(), range) }
            #expect(wrong?.status == .usage && wrong?.description.contains("--count") == true)
        }
        let unlabelled = statedFailure {
            _ = try plan(job { $0.model.conditioning = .none }, 0..<5, classes: ["0"])
        }
        #expect(unlabelled?.status == .usage && unlabelled?.description.contains("no classes") == true)
        let unguided = statedFailure {
            _ = try plan(job { ($0.model.conditioning, $0.sampling.guidance) = (.continuous, 2) }, 0..<5)
        }
        #expect(unguided?.status == .usage && unguided?.description.contains("--labels") == true)
        let narrow = statedFailure {
            _ = try SampleLabels(
                job { $0.model.conditioning = .continuous }.model, vectors: .init([1, 2], length: 2))
        }
        #expect(narrow?.status == .badData && narrow?.description.contains("3 values each") == true)
        #expect(throws: DiffusionError.self) { _ = try plan(job { $0.sampling.eta = 2 }, 0..<5) }
    }

    @Test("sampling follows the job")
    func options() throws {
        let plan = try plan(
            job {
                $0.sampling.guidance = 2
                $0.sampling.guidedChannels = 1
                $0.sampling.reuseSolution = true
                $0.sampling.sampler = .ddim
                ($0.sampling.respacing, $0.sampling.iterations, $0.sampling.allocation) = ("10", 5, .increasing)
            }, seed: -4, 0..<2)
        #expect(plan.options.guidance == 2 && plan.options.guidedChannels == 1 && plan.options.reuseSolution)
        #expect(plan.sampler.kind == .ddim && plan.sampler.count == 10)
        #expect(plan.options.iterations == (try IterationAllocation.budget(total: 50, steps: 10, kind: .increasing)))
        // `auto` takes what suits the target.
        #expect(try self.plan(job(), 0..<1).sampler.kind == .ddpm)
        let flow = try self.plan(job { ($0.diffusion.target, $0.model.learnSigma) = (.flow, false) }, 0..<1)
        #expect(flow.sampler.kind == .flow)
    }

    @Test("groups are eight fixed indices, and shares of them are all of them")
    func groups() throws {
        #expect(try plan(job(), 0..<20).groups == [0..<8, 8..<16, 16..<20])
        #expect(try plan(job(), 5..<7).groups == [5..<7])
        #expect(try plan(job(), 7..<17).groups == [7..<8, 8..<16, 16..<17])
        let groups = try plan(job(), 3..<100).groups
        for count in [1, 2, 5, 40] {
            let shares = (0..<count).map { SamplePlan.share($0, of: count, groups) }
            #expect(shares.flatMap(\.self).sorted { $0.lowerBound < $1.lowerBound } == groups)
            #expect((shares.map(\.count).max() ?? 0) - (shares.map(\.count).min() ?? 0) <= 1)
        }
    }

    @Test(
        "an image follows from seed and index: range, batch, order and threads change no bits",
        arguments: [MatrixLibrary.onednn, .openblas])
    func reproducible(_ library: MatrixLibrary) throws {
        let values = tinyModel { $0.fixedPoint = true }.imageValues
        func run(_ plan: SamplePlan, threads: Int = 2, groups: [Range<Int>]? = nil) throws -> [Float] {
            try self.run(plan, threads: threads, library: library, groups: groups)
        }
        let images = try run(plan(job(), seed: 7, 0..<19))
        #expect(images.count == 19 * values && images.allSatisfy(\.isFinite))
        for batch in [1, 8, 64] {
            let plan = try plan(job { $0.sampling.batch = batch }, seed: 7, 0..<19)
            #expect(try run(plan, threads: 1) == images, "batch \(batch)")
        }
        for range in [0..<4, 5..<6, 6..<18, 16..<19] {
            #expect(
                try run(plan(job(), seed: 7, range))
                    == Array(images[range.lowerBound * values..<range.upperBound * values]), "\(range)")
        }
        let whole = try plan(job(), seed: 7, 0..<19)
        let others = try run(whole, groups: [whole.groups[2], whole.groups[0]])
        #expect(others == Array(images[(16 * values)...] + images[..<(8 * values)]))
        #expect(try run(plan(job(), seed: 8, 0..<4)) != Array(images.prefix(4 * values)))
        // No two images are alike, of one class either.
        let same = try run(plan(job(), seed: 7, 0..<4, classes: ["1"]))
        #expect(Set((0..<4).map { Array(same[$0 * values..<($0 + 1) * values]) }).count == 4)
    }

    @Test("models without classes are sampled too", arguments: [ModelConfiguration.Conditioning.continuous, .none])
    func unlabelled(_ conditioning: ModelConfiguration.Conditioning) throws {
        let plan = try plan(job { $0.model.conditioning = conditioning }, seed: 1, 0..<4)
        let images = try run(plan)
        #expect(images.count == 4 * plan.model.imageValues && images.allSatisfy(\.isFinite))
    }

    @Test("label vectors go to the images whose they are")
    func vectors() throws {
        let job = job { $0.model.conditioning = .continuous }
        let rows: [Float] = [1, 0, 0, 0, 2, 0, 0, 0, -3]
        func images(_ range: Range<Int>, _ vectors: [Float], first: Int? = nil) throws -> [Float] {
            let labels = try SampleLabels(job.model, vectors: .init(vectors, length: 3, first: first))
            return try run(SamplePlan(job, seed: 3, range: range, labels: labels))
        }
        let values = job.model.imageValues
        let turn = try images(0..<5, rows)
        #expect(try images(3..<5, Array(rows.prefix(6)), first: 3) == Array(turn[(3 * values)...]))
        #expect(try images(3..<5, Array(rows.suffix(6)), first: 3) != Array(turn[(3 * values)...]))
        #expect(turn != (try run(plan(job, seed: 3, 0..<5))))
    }

    @Test("progress tells of every step")
    func progress() throws {
        let plan = try plan(job(), seed: 1, 0..<5)
        let engine = try Engine(threads: 1)
        var told: [Int] = []
        withMemory { memory in
            let drawer = SampleDrawer(
                plan, engine, weights: memory.floats(testWeights(ParameterTable(plan.model))))
            _ = drawer.draw(plan.groups) { told.append($0) }
        }
        #expect(told == [1, 2, 3, 4])
    }
}
