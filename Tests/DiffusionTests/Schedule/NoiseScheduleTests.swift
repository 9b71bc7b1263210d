import Diffusion
import Testing

@Suite struct NoiseScheduleTests {
    @Test func tablesMatchReference() throws {
        let rows = try Golden.load().schedules
        #expect(rows.count == 28)
        for row in rows {
            let schedule = try #require(DiffusionConfiguration.Schedule(rawValue: row.schedule))
            let configuration = DiffusionConfiguration(
                .v, schedule: schedule, steps: row.steps, zeroTerminalSNR: row.zeroTerminalSNR)
            let ours = try NoiseSchedule(configuration, respacing: row.respacing)
            if !row.timesteps.isEmpty {
                #expect(ours.timesteps == row.timesteps, "\(row.testName)")
            } else {
                #expect(ours.timesteps == Array(0..<row.steps))
            }
            for (name, table) in tables(ours) {
                let values = try #require(row.values[name])
                let sum = try #require(row.sums[name])
                #expect(table.count == ours.count)
                for (i, value) in zip(row.at, values) {
                    #expect(close(table[i], value, relative: 5e-12), "\(row.testName) \(name)[\(i)]")
                }
                #expect(close(table.reduce(0, +), sum, relative: 1e-12), "\(row.testName) sum of \(name)")
            }
        }
    }

    private func tables(_ schedule: NoiseSchedule) -> [String: [Double]] {
        [
            "betas": schedule.betas, "alphasCumprod": schedule.alphasCumprod,
            "alphasCumprodPrevious": schedule.alphasCumprodPrevious, "posteriorVariance": schedule.posteriorVariance,
            "posteriorLogVariance": schedule.posteriorLogVariance, "posteriorX0": schedule.posteriorX0,
            "posteriorXt": schedule.posteriorXt, "fixedLargeLogVariance": schedule.fixedLargeLogVariance,
        ]
    }

    @Test func zeroTerminalSNREndsInExactlyZero() throws {
        for schedule in DiffusionConfiguration.Schedule.allCases {
            for respacing in ["", "20"] {
                let configuration = DiffusionConfiguration(.v, schedule: schedule, zeroTerminalSNR: true)
                let ours = try NoiseSchedule(configuration, respacing: respacing)
                #expect(ours.alphasCumprod.last == 0)
                #expect(ours.betas.last == 1)
                for table in tables(ours).values { #expect(table.allSatisfy { $0.isFinite }) }
            }
        }
    }

    @Test func signalOnlyFalls() throws {
        let ours = try NoiseSchedule(DiffusionConfiguration(.eps), respacing: "250")
        for (a, previous) in zip(ours.alphasCumprod, ours.alphasCumprodPrevious) { #expect(a < previous) }
    }

    @Test func oneStepIsFinite() throws {
        let ours = try NoiseSchedule(DiffusionConfiguration(.eps), respacing: "1")
        #expect(ours.count == 1)
        for table in tables(ours).values { #expect(table.allSatisfy { $0.isFinite }) }
    }

    @Test func tooFewStepsAreRefused() {
        #expect(throws: DiffusionError.self) { try NoiseSchedule(DiffusionConfiguration(.eps, steps: 20)) }
        #expect(throws: Never.self) { try NoiseSchedule(DiffusionConfiguration(.eps, steps: 21)) }
        #expect(throws: DiffusionError.self) { try NoiseSchedule(DiffusionConfiguration(.eps, steps: 1)) }
        #expect(throws: Never.self) { try NoiseSchedule(DiffusionConfiguration(.eps, schedule: .cosine, steps: 10)) }
    }
}
