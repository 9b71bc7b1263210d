import Compute
import Model
import TestSupport
import Testing

@Suite("Residuals of a fixed-point solve")
struct ResidualMeterTests {
    @Test("those of the naive network's states", arguments: [Variant.fpdm, .fpdm144])
    func match(_ variant: Variant) throws {
        let samples = 3
        let batch = Batch(variant, samples: samples)
        let harness = try Harness(variant, capacity: samples)
        let meter = ResidualMeter(
            variant.configuration, samples: 2, engine: try Arithmetic.oneDNN.engine(threads: 2))
        let plain = harness.forward(batch, variant.iterations)
        let measured = harness.forward(batch, variant.iterations, onState: meter.record)
        expectSameBits(measured.output + measured.solution, plain.output + plain.solution, "measured and not")
        #expect(meter.bytes == ResidualMeter.bytes(variant.configuration, samples: 2))

        let table = ParameterTable(variant.configuration)
        let network = NaiveNetwork(table, Harness.weights(table))
        let expected = batch.naive.prefix(2).map { sample -> [Double] in
            let states = network.forward(sample, iterations: variant.iterations.total).states.map { $0.flatMap(\.self) }
            return zip(states, states.dropFirst()).map { z, next in
                let change = zip(z, next).map { $1 - $0 }
                return (dot(change, change) / dot(z, z)).squareRoot()
            }
        }
        #expect(meter.perSample.count == variant.iterations.total)
        for (k, own) in meter.perSample.enumerated() {
            for (sample, value) in own.enumerated() {
                #expect(
                    abs(value - expected[sample][k]) < 1e-5 * expected[sample][k], "iteration \(k), sample \(sample)")
            }
            #expect(meter.means[k] == (own[0] + own[1]) / 2)
        }
    }
}
