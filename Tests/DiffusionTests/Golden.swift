import Diffusion
import Foundation

/// Expected values written by golden/make_golden.py.
struct Golden: Decodable {
    struct Schedule: Decodable, CustomTestName {
        let schedule: String
        let zeroTerminalSNR: Bool
        let steps: Int
        let respacing: String
        let timesteps: [Int]
        let at: [Int]
        let values: [String: [Double]]
        let sums: [String: Double]

        var testName: String { "\(schedule) \(steps) '\(respacing)' zero \(zeroTerminalSNR)" }
    }

    struct Loss: Decodable, CustomTestName {
        let target, weighting, schedule: String
        let zeroTerminalSNR, learnSigma: Bool
        let t, channels, pixels: Int
        let x0, noise, output, xt: [Float]
        let loss, mse, vb: Double
        /// Which loss; nil for `mse`.
        let kind: String?
        let fixedVariance: String?
        /// nil for 1000.
        let steps: Int?

        var testName: String {
            "\(target) \(weighting) \(kind ?? "mse") \(fixedVariance ?? "") sigma \(learnSigma) zero "
                + "\(zeroTerminalSNR) t \(t)"
        }
    }

    struct Step: Decodable, CustomTestName {
        let target, sampler: String
        let zeroTerminalSNR, learnSigma, clip: Bool
        let eta: Double
        let index, timestep, channels, pixels: Int
        let x, noise, output: [Float]
        let next: [Double]
        let fixedVariance: String?

        var testName: String { "\(target) \(sampler) sigma \(learnSigma) eta \(eta) clip \(clip) index \(index)" }
    }

    /// The whole bound of an image, over 6 of the 1,000 steps; by index.
    struct Bits: Decodable, CustomTestName {
        let target, fixedVariance: String
        let zeroTerminalSNR, learnSigma, clip: Bool
        let channels, pixels: Int
        let x0: [Float]
        let noise, output: [[Float]]
        let bits, imageErrors, noiseErrors: [Double]
        let prior: Double

        var testName: String { "\(target) sigma \(learnSigma) \(fixedVariance) clip \(clip)" }
    }

    /// A round of the second-moment sampler: what it learns, and what it chooses then.
    struct Timesteps: Decodable {
        let steps: Int
        let timesteps: [Int]
        let losses: [Float]
        let counts: [Int32]
        let draws: [Double]
        let chosen: [Int]
        let weights: [Double]
    }

    let schedules: [Schedule]
    let losses: [Loss]
    let steps: [Step]
    /// Losses with the bound beside or in place of the squared error.
    let bounds: [Loss]
    let bits: [Bits]
    /// Ancestral steps with the small fixed variance.
    let smallSteps: [Step]
    /// One after the other.
    let timesteps: [Timesteps]

    static func load() throws -> Golden {
        let file = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "golden/golden.json")
        return try JSONDecoder().decode(Golden.self, from: Data(contentsOf: file))
    }
}

/// What a failure calls the row at fault.
protocol CustomTestName {
    var testName: String { get }
}

extension DiffusionConfiguration {
    init(
        _ target: Target, _ weighting: Weighting = .snrPlusOne, schedule: Schedule = .linear, steps: Int = 1000,
        zeroTerminalSNR: Bool = false, loss: Loss = .mse, fixedVariance: FixedVariance = .large
    ) {
        self.init()
        self.loss = loss
        self.fixedVariance = fixedVariance
        self.target = target
        self.weighting = weighting
        self.schedule = schedule
        self.steps = steps
        self.zeroTerminalSNR = zeroTerminalSNR
    }
}

/// Small deterministic standard normal values: sums of twelve uniform draws of a linear congruential generator.
struct Draws {
    private var state: UInt64

    init(_ seed: UInt64) { state = seed &* 0x9E37_79B9_7F4A_7C15 &+ 1 }

    mutating func uniform() -> Double {
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        return Double(state >> 11) / 9_007_199_254_740_992
    }

    mutating func normal() -> Float { Float((0..<12).reduce(-6.0) { sum, _ in sum + uniform() }) }

    mutating func normals(_ count: Int) -> [Float] { (0..<count).map { _ in normal() } }
}

func close(_ a: Double, _ b: Double, relative: Double, absolute: Double = 0) -> Bool {
    abs(a - b) <= max(relative * max(abs(a), abs(b)), absolute)
}
