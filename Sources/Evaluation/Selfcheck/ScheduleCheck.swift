import Compute
import Diffusion

extension ReferenceCase {
    /// Kind `schedule`: tables of noise schedules, fixed embeddings, and iteration budgets.
    func checkSchedules() throws -> [Comparison] {
        var results: [Comparison] = []
        for group in try file.names(in: "/") {
            switch group {
            case "embeddings": results += try checkEmbeddings(group)
            case "iteration_budgets": results += try checkBudgets(group)
            default: results += try checkSchedule(group)
            }
        }
        return results
    }

    private func checkSchedule(_ group: String) throws -> [Comparison] {
        var configuration = DiffusionConfiguration()
        configuration.schedule = try choice("schedule", of: group)
        configuration.zeroTerminalSNR = try file.attribute("zero_terminal_snr", of: group)
        let schedule = try NoiseSchedule(configuration, respacing: try text("respacing", of: group))
        let tables: [String: [Double]] = [
            "timesteps": schedule.timesteps.map(Double.init), "betas": schedule.betas,
            "alphas_cumprod": schedule.alphasCumprod, "posterior_variance": schedule.posteriorVariance,
            "posterior_log_variance": schedule.posteriorLogVariance, "posterior_x0": schedule.posteriorX0,
            "posterior_xt": schedule.posteriorXt,
        ]
        return try file.names(in: group).map { name in
            guard let table = tables[name] else { throw malformed("\(group)/\(name) is no table of a schedule") }
            let expected = try file.dataset("\(group)/\(name)").read(Double.self)
            return .of("\(group)/\(name)", table, expected, name == "timesteps" ? 0 : Tolerance.table)
        }
    }

    private func checkEmbeddings(_ group: String) throws -> [Comparison] {
        try file.names(in: group).map { name in
            let expected = try file.dataset("\(group)/\(name)").read(Double.self)
            let parts = name.split(separator: "_")
            var actual: [Float] = []
            switch (parts.first, parts.last.map { $0.split(separator: "x").compactMap { Int($0) } }) {
            case ("positions", .some(let sizes)) where sizes.count == 2:
                actual = Embeddings.positions(width: sizes[0], side: sizes[1])
            case ("timestep", .some(let sizes)) where sizes.count == 1:
                // The steps that the reference tabulates.
                actual = [Float](repeating: 0, count: 4 * sizes[0])
                for (row, t) in [0, 1, 500, 999].enumerated() {
                    actual.withUnsafeMutableBufferPointer {
                        Embeddings.timestep(t, width: sizes[0], into: $0.baseAddress! + row * sizes[0])
                    }
                }
            default:
                throw malformed("\(group)/\(name): neither positions_WIDTHxSIDE nor timestep_WIDTH")
            }
            return .of("\(group)/\(name)", actual.map(Double.init), expected, Tolerance.feature)
        }
    }

    private func checkBudgets(_ group: String) throws -> [Comparison] {
        try file.names(in: group).map { name in
            let parts = name.split(separator: "-")
            guard parts.count == 3, let total = Int(parts[1]), let steps = Int(parts[2]),
                let kind = parts[0] == "fixed" ? .constant : IterationAllocation(rawValue: String(parts[0]))
            else { throw malformed("\(group)/\(name): not KIND-TOTAL-STEPS") }
            let actual = try IterationAllocation.budget(total: total, steps: steps, kind: kind)
            let expected = try file.dataset("\(group)/\(name)").read(Double.self)
            return .of("\(group)/\(name)", actual.map(Double.init), expected, 0)
        }
    }
}
