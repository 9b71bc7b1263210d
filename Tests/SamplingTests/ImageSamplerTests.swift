import Compute
import Diffusion
import Model
import Sampling
import TestSupport
import Testing

@Suite("Image sampler")
struct ImageSamplerTests {
    /// How a test samples.
    private struct Setting {
        var model = tinyModel { ($0.fixedPoint, $0.learnSigma) = (true, false) }
        var steps = 4
        var kind = SamplerKind.ddpm
        var guidance = 1.0
        var guidedChannels: Int?
        var interval: GuidanceInterval?
        var tolerance = 0.0
        var solverMemory: Int?
        var iterations = [2, 3, 1, 2]
        var reuse = false
        var threads = 2
        var labels = [1, 0, 2]
        var unconditional = [3, 3, 3]
        /// Which of the starts below are sampled.
        var images = [0, 1, 2]
        var capacity = 3
    }

    /// The images after each step.
    private func trajectory(_ change: (inout Setting) -> Void = { _ in }) throws -> [[Float]] {
        try sampled(change).places
    }

    /// The images after each step, and the iterations that were made of each.
    private func sampled(_ change: (inout Setting) -> Void) throws -> (places: [[Float]], iterations: [Int]) {
        var s = Setting()
        change(&s)
        let c = s.model
        let sampler = try Sampler(
            .init(), learnSigma: c.learnSigma, channels: c.channels, pixels: c.imageSize * c.imageSize, kind: s.kind,
            respacing: String(s.steps))
        var options = ImageSampler.Options(iterations: s.iterations)
        (options.guidance, options.guidedChannels, options.reuseSolution) = (s.guidance, s.guidedChannels, s.reuse)
        (options.guidanceInterval, options.tolerance, options.solverMemory) = (s.interval, s.tolerance, s.solverMemory)
        let images = ImageSampler(
            c, sampler: sampler, options: options, engine: try Engine(threads: s.threads), capacity: s.capacity)
        let starts = s.images.flatMap { testNormals(c.imageValues, seed: UInt64($0)) }
        return withMemory { memory in
            let x = memory.floats(starts)
            var places: [[Float]] = []
            images.load(memory.floats(testWeights(ParameterTable(c))))
            let iterations = images.sample(
                x, count: s.images.count, labels: .classes(s.images.map { s.labels[$0] }),
                unconditional: .classes(s.images.map { s.unconditional[$0] })
            ) { index, image, output in
                let noise = testNormals(c.imageValues, seed: UInt64(100 * (index + 1) + s.images[image]))
                for i in 0..<c.imageValues { output[i] = noise[i] }
            } onStep: { place, x in
                #expect(place == places.count)
                places.append(x.array)
            }
            #expect(places.count == sampler.count && places.last == x.array)
            return (places, iterations)
        }
    }

    @Test("without guidance the unconditional labels do not count")
    func unguided() throws {
        let plain = try trajectory()
        #expect(plain.allSatisfy { $0.allSatisfy(\.isFinite) })
        #expect(try trajectory { $0.unconditional = [0, 1, 2] } == plain)
        #expect(try trajectory { $0.labels = [2, 0, 2] } != plain)
    }

    @Test("guidance between equal labels, and of no channels, changes nothing")
    func noGuidance() throws {
        let plain = try trajectory()
        #expect(try trajectory { ($0.guidance, $0.unconditional) = (3, $0.labels) } == plain)
        #expect(try trajectory { ($0.guidance, $0.guidedChannels) = (3, 0) } == plain)
        #expect(try trajectory { $0.guidance = 3 } != plain)
    }

    @Test("guidance changes the guided channels only")
    func guidedChannels() throws {
        // One step: later ones mix the channels.
        func first(_ change: @escaping (inout Setting) -> Void) throws -> [[Float]] {
            let images = try trajectory(change)[0]
            return (0..<6).map { Array(images[$0 * 16..<($0 + 1) * 16]) }
        }
        let plain = try first { _ in }
        let one = try first { ($0.guidance, $0.guidedChannels) = (3, 1) }
        let both = try first { $0.guidance = 3 }
        for image in 0..<3 {
            #expect(one[2 * image] == both[2 * image] && one[2 * image] != plain[2 * image])
            #expect(one[2 * image + 1] == plain[2 * image + 1] && both[2 * image + 1] != plain[2 * image + 1])
        }
    }

    @Test("what shares an image's batch changes nothing", arguments: [1.0, 2.5], [false, true])
    func batches(_ guidance: Double, _ reuse: Bool) throws {
        func images(_ which: [Int], capacity: Int = 3, threads: Int = 2) throws -> [[Float]] {
            try trajectory {
                ($0.guidance, $0.reuse, $0.images) = (guidance, reuse, which)
                ($0.capacity, $0.threads) = (capacity, threads)
                $0.model.learnSigma = true
            }
        }
        let together = try images([0, 1, 2])
        #expect(try images([0, 1, 2], capacity: 5, threads: 1) == together)
        let (first, rest) = (try images([0], capacity: 1), try images([1, 2]))
        #expect(zip(first, rest).map { $0 + $1 } == together)
    }

    @Test("reuse starts from the solution before: it changes all but the first step")
    func reuse() throws {
        let (fresh, reused) = (try trajectory(), try trajectory { $0.reuse = true })
        #expect(reused[0] == fresh[0])
        for place in 1..<4 { #expect(reused[place] != fresh[place]) }
        // A DiT solves nothing.
        func dit(_ reuse: Bool) throws -> [[Float]] {
            try trajectory { ($0.reuse, $0.model.fixedPoint, $0.iterations) = (reuse, false, []) }
        }
        #expect(try dit(true) == dit(false))
    }

    @Test("with reuse and guidance each half goes on from its own solution")
    func halves() throws {
        // Guidance of no channels leaves the conditional half; of scale 0 the unconditional one.
        let conditional = try trajectory { $0.reuse = true }
        #expect(try trajectory { ($0.reuse, $0.guidance, $0.guidedChannels) = (true, 3, 0) } == conditional)
        let unconditional = try trajectory { ($0.reuse, $0.labels) = (true, [3, 3, 3]) }
        #expect(try trajectory { ($0.reuse, $0.guidance) = (true, 0) } == unconditional)
        #expect(conditional != unconditional)
    }

    @Test("guidance acts within its interval alone")
    func interval() throws {
        // Four steps of 1,000: 0, 333, 666 and 999, the last first.
        let plain = try trajectory()
        let guided = try trajectory { $0.guidance = 3 }
        func within(_ low: Int, _ high: Int, reuse: Bool = false) throws -> [[Float]] {
            try trajectory { ($0.guidance, $0.interval, $0.reuse) = (3, GuidanceInterval(low, high), reuse) }
        }
        #expect(try within(0, 999) == guided && within(1, 332) == plain)
        let early = try within(600, 999)
        #expect(early[0] == guided[0] && early[1] == guided[1] && early[2] != guided[2] && early[3] != plain[3])
        let late = try within(0, 333)
        #expect(late[0] == plain[0] && late[1] == plain[1] && late[2] != plain[2] && late[3] != guided[3])
        // With reuse the half that begins goes on from the other's solution; equal labels make it the same.
        let same = try trajectory {
            ($0.guidance, $0.interval, $0.reuse, $0.unconditional) = (3, GuidanceInterval(0, 400), true, $0.labels)
        }
        #expect(try same == trajectory { $0.reuse = true } && within(0, 400, reuse: true) != same)
    }

    @Test(
        "with a tolerance each image stops for itself, within what it may make", arguments: [1.0, 2.5], [false, true])
    func adaptive(_ guidance: Double, _ reuse: Bool) throws {
        func sampled(_ tolerance: Double, _ which: [Int] = [0, 1, 2]) throws -> (places: [[Float]], iterations: [Int]) {
            try self.sampled {
                ($0.guidance, $0.reuse, $0.tolerance, $0.images) = (guidance, reuse, tolerance, which)
                $0.iterations = [6, 6, 6, 6]
            }
        }
        let halves = guidance == 1 ? 1 : 2
        let all = try sampled(0)
        #expect(all.iterations == [24, 24, 24].map { $0 * halves })
        // Nothing falls under the least tolerance there is, and everything under a large one.
        let never = try sampled(.leastNonzeroMagnitude)
        #expect(never.places == all.places && never.iterations == all.iterations)
        #expect(try sampled(1e9).iterations == [4, 4, 4].map { $0 * halves })
        var seen: Set<Int> = []
        for tolerance in [0.5, 0.2, 0.05] {
            let together = try sampled(tolerance)
            seen.formUnion(together.iterations)
            #expect(together.iterations.allSatisfy { (4 * halves...24 * halves).contains($0) })
            let alone = try (0..<3).map { try sampled(tolerance, [$0]) }
            #expect(alone.map { $0.iterations[0] } == together.iterations)
            let size = together.places[3].count / 3
            for image in 0..<3 {
                #expect(Array(together.places[3][image * size..<(image + 1) * size]) == alone[image].places[3])
            }
        }
        #expect(seen.count > 1, "\(seen): the tolerances tell nothing apart")
    }

    @Test("accelerated solves are each image's own, with and without a tolerance", arguments: [1.0, 2.5], [0, 0.05])
    func accelerated(_ guidance: Double, _ tolerance: Double) throws {
        func sampled(_ memory: Int?, _ which: [Int] = [0, 1, 2]) throws -> (places: [[Float]], iterations: [Int]) {
            try self.sampled {
                ($0.guidance, $0.reuse, $0.tolerance, $0.images) = (guidance, true, tolerance, which)
                ($0.iterations, $0.solverMemory) = ([6, 1, 6, 6], memory)
            }
        }
        let together = try sampled(3)
        #expect(try together.places != sampled(nil).places && together.places != sampled(4).places)
        if tolerance == 0 { #expect(together.iterations == [19, 19, 19].map { $0 * (guidance == 1 ? 1 : 2) }) }
        let size = together.places[3].count / 3
        for image in 0..<3 {
            let alone = try sampled(3, [image])
            #expect(alone.iterations[0] == together.iterations[image])
            #expect(Array(together.places[3][image * size..<(image + 1) * size]) == alone.places[3])
        }
    }

    @Test("what earlier steps have left over goes to later ones")
    func leftOver() throws {
        func iterations(_ list: [Int], _ tolerance: Double) throws -> Int {
            try sampled { ($0.iterations, $0.tolerance, $0.images) = (list, tolerance, [0]) }.iterations[0]
        }
        // A generous first step whose rest is used later, up to the sum; without it the later ones make one each.
        let (rich, poor) = (try iterations([40, 1, 1, 1], 1e-3), try iterations([1, 1, 1, 1], 1e-3))
        #expect(poor == 4 && rich > 7 && rich <= 43)
    }

    @Test("noise that images are turned into gives them again, the nearer the more rounds are made")
    func inversion() throws {
        let c = tinyModel { ($0.fixedPoint, $0.learnSigma) = (true, false) }
        var diffusion = DiffusionConfiguration()
        diffusion.target = .v
        let sampler = try Sampler(
            diffusion, learnSigma: false, channels: c.channels, pixels: c.imageSize * c.imageSize, kind: .ddim,
            respacing: "40")
        let options = ImageSampler.Options(iterations: (0..<40).map { 2 + $0 % 2 })
        let images = ImageSampler(c, sampler: sampler, options: options, engine: try Engine(threads: 2), capacity: 3)
        #expect(images.inversionProblem == nil)
        let wanted = testNormals(3 * c.imageValues, seed: 5)
        /// How far an image is from what it was, at most; and what inversion said was open.
        func error(rounds: Int) -> (error: Double, open: Double) {
            withMemory { memory in
                images.load(memory.floats(testWeights(ParameterTable(c))))
                let x = memory.floats(wanted)
                let (labels, none) = (Labels.classes([0, 1, 2]), Labels.classes([3, 3, 3]))
                let open = images.invert(x, count: 3, labels: labels, unconditional: none, rounds: rounds)
                #expect(open.count == 3)
                images.sample(x, count: 3, labels: labels, unconditional: none) { _, _, _ in }
                return (relativeError(x.array, wanted.map { Double($0) }), open.max() ?? 0)
            }
        }
        let (once, often) = (error(rounds: 1), error(rounds: 30))
        #expect(often.error < 1e-4 && often.open < 1e-5 && once.open == 0, "\(often)")
        #expect(once.error > 10 * often.error, "\(once)")
        for change in [{ $0.reuseSolution = true }, { $0.tolerance = 0.1 }] as [(inout ImageSampler.Options) -> Void] {
            var other = options
            change(&other)
            let images = ImageSampler(c, sampler: sampler, options: other, engine: try Engine(threads: 1), capacity: 1)
            #expect(images.inversionProblem != nil)
        }
    }

    @Test("each step makes its own number of iterations, in sampling order")
    func iterations() throws {
        let base = try trajectory { $0.iterations = [2, 3, 1, 2] }
        for place in 0..<4 {
            let other = try trajectory { $0.iterations[place] += 1 }
            for step in 0..<4 { #expect((other[step] == base[step]) == (step < place), "place \(place), step \(step)") }
        }
    }

    @Test("noise is asked for where it is used, for every image", arguments: SamplerKind.allCases)
    func noise(_ kind: SamplerKind) throws {
        let c = tinyModel { ($0.fixedPoint, $0.learnSigma) = (true, false) }
        var diffusion = DiffusionConfiguration()
        if kind.followsVelocity { diffusion.target = .flow }
        let sampler = try Sampler(
            diffusion, learnSigma: false, channels: 2, pixels: 16, kind: kind, respacing: "4")
        let images = ImageSampler(
            c, sampler: sampler, options: .init(iterations: [1, 1, 1, 1]), engine: try Engine(threads: 1), capacity: 2)
        withMemory { memory in
            var asked: [[Int]] = []
            images.load(memory.floats(testWeights(ParameterTable(c))))
            images.sample(
                memory.floats(testNormals(2 * c.imageValues, seed: 1)), count: 2, labels: .classes([0, 1]),
                unconditional: .none
            ) { index, image, output in
                asked.append([index, image])
                for i in 0..<c.imageValues { output[i] = 0 }
            }
            let wanted = kind == .ddpm ? [[3, 0], [3, 1], [2, 0], [2, 1], [1, 0], [1, 1]] : []
            #expect(asked == wanted)
        }
    }
}
