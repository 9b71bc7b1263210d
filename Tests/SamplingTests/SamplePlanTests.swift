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

    /// The images of a plan.
    private func run(_ plan: SamplePlan, threads: Int = 2) throws -> [Float] {
        let engine = try Engine(threads: threads)
        return withMemory { memory in
            plan.run(engine, weights: memory.floats(testWeights(ParameterTable(plan.model))))
        }
    }

    @Test("classes come in turn")
    func turns() throws {
        #expect(try SamplePlan(job(), seed: 0, count: 5, classes: nil).classes == [0, 1, 2, 0, 1])
        #expect(try SamplePlan(job(), seed: 0, count: 5, classes: [2, 0]).classes == [2, 0, 2, 0, 2])
        #expect(try SamplePlan(job(), seed: 0, count: 1, classes: [1, 2]).classes == [1])
        for conditioning in [ModelConfiguration.Conditioning.continuous, .none] {
            let plan = try SamplePlan(
                job { $0.model.conditioning = conditioning }, seed: 0, count: 5, classes: nil)
            #expect(plan.classes == nil)
        }
    }

    @Test("what cannot be drawn is refused, with what can")
    func refusals() throws {
        for classes in [[3], [0, -1], [1, 2, 99]] {
            let wrong = statedFailure { _ = try SamplePlan(job(), seed: 0, count: 5, classes: classes) }
            #expect(wrong?.status == .usage)
            #expect(wrong?.description.contains("class \(classes.last ?? 0) is outside 0...2") == true)
        }
        let empty = statedFailure { _ = try SamplePlan(job(), seed: 0, count: 5, classes: []) }
        #expect(empty?.status == .usage && empty?.description.contains("--classes") == true)
        for count in [0, -3] {
            let wrong = statedFailure { _ = try SamplePlan(job(), seed: 0, count: count, classes: nil) }
            #expect(wrong?.status == .usage && wrong?.description.contains("--count") == true)
        }
        let unlabelled = statedFailure {
            _ = try SamplePlan(job { $0.model.conditioning = .none }, seed: 0, count: 5, classes: [0])
        }
        #expect(unlabelled?.status == .usage && unlabelled?.description.contains("no classes") == true)
        #expect(throws: DiffusionError.self) {
            _ = try SamplePlan(job { $0.sampling.eta = 2 }, seed: 0, count: 5, classes: nil)
        }
    }

    @Test("sampling follows the job")
    func options() throws {
        let plan = try SamplePlan(
            job {
                $0.sampling.guidance = 2
                $0.sampling.guidedChannels = 1
                $0.sampling.reuseSolution = true
                $0.sampling.sampler = .ddim
                ($0.sampling.respacing, $0.sampling.iterations, $0.sampling.allocation) = ("10", 5, .increasing)
            }, seed: -4, count: 2, classes: nil)
        #expect(plan.options.guidance == 2 && plan.options.guidedChannels == 1 && plan.options.reuseSolution)
        #expect(plan.sampler.kind == .ddim && plan.sampler.count == 10)
        #expect(plan.options.iterations == (try IterationAllocation.budget(total: 50, steps: 10, kind: .increasing)))
        #expect(plan.batch == 2)
        // `auto` takes what suits the target.
        #expect(try SamplePlan(job(), seed: 0, count: 1, classes: nil).sampler.kind == .ddpm)
        let flow = try SamplePlan(
            job { ($0.diffusion.target, $0.model.learnSigma) = (.flow, false) }, seed: 0, count: 1, classes: nil)
        #expect(flow.sampler.kind == .flow)
    }

    @Test("a seed draws the same images, whatever the batch, the count and the threads")
    func reproducible() throws {
        let values = tinyModel { $0.fixedPoint = true }.imageValues
        let images = try run(SamplePlan(job(), seed: 7, count: 7, classes: nil))
        #expect(images.count == 7 * values && images.allSatisfy(\.isFinite))
        for batch in [1, 2, 7, 64] {
            let plan = try SamplePlan(job { $0.sampling.batch = batch }, seed: 7, count: 7, classes: nil)
            #expect(try run(plan, threads: 1) == images, "batch \(batch)")
        }
        let fewer = try run(SamplePlan(job(), seed: 7, count: 4, classes: nil))
        #expect(fewer == Array(images.prefix(4 * values)))
        #expect(try run(SamplePlan(job(), seed: 8, count: 4, classes: nil)) != fewer)
        // No two images are alike, of one class either.
        let same = try run(SamplePlan(job(), seed: 7, count: 4, classes: [1]))
        #expect(Set((0..<4).map { Array(same[$0 * values..<($0 + 1) * values]) }).count == 4)
    }

    @Test("models without classes are sampled too", arguments: [ModelConfiguration.Conditioning.continuous, .none])
    func unlabelled(_ conditioning: ModelConfiguration.Conditioning) throws {
        let plan = try SamplePlan(job { $0.model.conditioning = conditioning }, seed: 1, count: 4, classes: nil)
        let images = try run(plan)
        #expect(images.count == 4 * plan.model.imageValues && images.allSatisfy(\.isFinite))
    }

    @Test("progress tells of every step of every batch")
    func progress() throws {
        let plan = try SamplePlan(job(), seed: 1, count: 5, classes: nil)
        let engine = try Engine(threads: 1)
        var told: [[Int]] = []
        withMemory { memory in
            _ = plan.run(engine, weights: memory.floats(testWeights(ParameterTable(plan.model)))) {
                told.append([$0, $1])
            }
        }
        #expect(told == (1...4).map { [3, $0] } + (1...4).map { [5, $0] })
    }
}
