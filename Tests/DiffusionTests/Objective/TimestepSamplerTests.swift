import Diffusion
import Testing

@Suite("Choosing noise levels by their losses")
struct TimestepSamplerTests {
    @Test("choices, weights and what is remembered are those of the NumPy port")
    func golden() throws {
        let rounds = try Golden.load().timesteps
        let steps = try #require(rounds.first?.steps)
        var sampler = TimestepSampler(.secondMoment, steps: steps)
        var followed = 0
        for round in rounds {
            sampler.learn(zip(round.timesteps, round.losses).map { ($0, Double($1)) })
            #expect(sampler.history?.counts == round.counts)
            #expect(sampler.followsLosses == round.counts.allSatisfy { $0 == 10 })
            followed += sampler.followsLosses ? 1 : 0
            for (draw, (chosen, weight)) in zip(round.draws, zip(round.chosen, round.weights)) {
                let choice = sampler.choose(draw)
                #expect(choice.timestep == chosen && close(choice.weight, weight, relative: 1e-12), "draw \(draw)")
            }
            // Somebody who goes on from what is remembered chooses the same, to the bit.
            var other = TimestepSampler(.secondMoment, steps: steps)
            let history = try #require(sampler.history)
            other.restore(try #require(.init(counts: history.counts, losses: history.losses, steps: steps)))
            #expect(other == sampler)
        }
        #expect(followed == 3 && rounds.count == 6)
    }

    @Test("samples count so that no loss counts more than another")
    func unbiased() {
        let steps = 5
        var sampler = TimestepSampler(.secondMoment, steps: steps)
        for _ in 0..<10 { sampler.learn((0..<steps).map { ($0, [8, 4, 0.5, 0.25, 0][$0]) }) }
        #expect(sampler.followsLosses)
        let draws = 40_000
        var (seen, counted) = ([Int](repeating: 0, count: steps), [Double](repeating: 0, count: steps))
        for draw in 0..<draws {
            let choice = sampler.choose((Double(draw) + 0.5) / Double(draws))
            seen[choice.timestep] += 1
            counted[choice.timestep] += choice.weight / Double(draws)
        }
        // Seen as often as their losses are large, and the one without any now and then; yet all count the same.
        #expect(seen[0] > 15 * seen[2] && seen[0] < 17 * seen[2] && seen[4] > 0 && seen[4] < 20)
        #expect(counted.allSatisfy { close($0, 1 / Double(steps), relative: 0.15) }, "\(counted)")
        #expect(counted.prefix(4).allSatisfy { close($0, 1 / Double(steps), relative: 2e-3) }, "\(counted)")
        // The ends of the range of draws.
        #expect(sampler.choose(0).timestep == 0 && sampler.choose(1 - Double.ulpOfOne / 2).timestep == steps - 1)
    }

    @Test("without losses, with losses of nothing, and uniformly, all are alike")
    func uniform() {
        var samplers = [TimestepSampler(.uniform, steps: 7), TimestepSampler(.secondMoment, steps: 7)]
        for index in samplers.indices {
            for _ in 0..<12 { samplers[index].learn((0..<7).map { ($0, 0) }) }
            #expect(!samplers[index].followsLosses)
            for draw in [0, 0.1, 0.5, 6 / 7.0, 1 - Double.ulpOfOne / 2] {
                let choice = samplers[index].choose(draw)
                #expect(choice.timestep == min(Int(draw * 7), 6) && choice.weight == 1)
            }
        }
        #expect(samplers[0].history == nil && samplers[1].history?.counts == [Int32](repeating: 10, count: 7))
    }

    @Test("a history of other values than its steps can have is none")
    func malformed() {
        let (counts, losses) = ([Int32](repeating: 10, count: 3), [Float](repeating: 1, count: 30))
        #expect(TimestepSampler.History(counts: counts, losses: losses, steps: 3) != nil)
        #expect(TimestepSampler.History(counts: counts, losses: losses, steps: 4) == nil)
        #expect(TimestepSampler.History(counts: [10, 11, 10], losses: losses, steps: 3) == nil)
        #expect(TimestepSampler.History(counts: counts, losses: losses.dropLast() + [.nan], steps: 3) == nil)
        #expect(TimestepSampler.History(counts: counts, losses: losses.dropLast(), steps: 3) == nil)
    }
}
