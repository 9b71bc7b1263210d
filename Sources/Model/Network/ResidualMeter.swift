import Compute

/// How far a fixed-point solve is from its fixed point, by iteration: ||f(z) - z|| / ||z||, the L2 norms over one sample's
/// [T, D] (arXiv 2401.08741, section 4).
///
/// Hears of the states of one forward pass (`Network.forward(onState:)`). The sums are in double, in the order of a sample's
/// values.
public final class ResidualMeter {
    private let engine: Engine
    private let arena: Arena
    private let before: FloatBuffer  // [samples, T, D]
    private let sampleValues: Int
    private let capacity: Int
    /// Of each iteration, by sample.
    private var residuals: [[Double]] = []

    /// - Parameter samples: of a pass, the first ones at most that are measured.
    public init(_ model: ModelConfiguration, samples: Int, engine: Engine) {
        self.engine = engine
        capacity = samples
        sampleValues = model.tokens * model.width
        (arena, before) = Arena.build("residuals") { Self.take($0, model, samples) }
    }

    private static func take(_ arena: Arena, _ model: ModelConfiguration, _ samples: Int) -> FloatBuffer {
        arena.take(samples * model.tokens * model.width)
    }

    /// Bytes of a meter, without taking them.
    public static func bytes(_ model: ModelConfiguration, samples: Int) -> Int {
        Arena.measure("residuals") { take($0, model, samples) } * MemoryLayout<Float>.stride
    }

    public var bytes: Int { arena.bytes }

    /// Takes over a state.
    ///
    /// - Parameters:
    ///   - iterations: done so far; 0 begins anew.
    ///   - z: [B, T, D]
    public func record(_ iterations: Int, _ z: FloatBuffer) {
        let samples = min(capacity, z.count / sampleValues)
        if iterations == 0 {
            residuals = []
        } else {
            var own = [Double](repeating: 0, count: samples)
            own.withUnsafeMutableBufferPointer { own in
                engine.pool.parallelFor(samples) { sample, _ in
                    let start = sample * sampleValues
                    own[sample] = Self.residual(before.base + start, z.base + start, count: sampleValues)
                }
            }
            residuals.append(own)
        }
        before.slice(0, samples * sampleValues).copy(from: z.slice(0, samples * sampleValues))
    }

    /// Of one sample.
    package static func residual(
        _ before: UnsafePointer<Float>, _ after: UnsafePointer<Float>, count: Int
    ) -> Double {
        var (difference, norm) = (0.0, 0.0)
        for i in 0..<count {
            let z = Double(before[i])
            let change = Double(after[i]) - z
            difference += change * change
            norm += z * z
        }
        // Nothing that stays nothing is a fixed point.
        return difference == 0 ? 0 : (difference / norm).squareRoot()
    }

    /// Of the newest pass, by iteration and sample: [iterations, samples].
    public var perSample: [[Double]] { residuals }

    /// The mean over the samples, by iteration.
    public var means: [Double] { residuals.map { $0.reduce(0, +) / Double($0.count) } }
}
