import Diffusion
import Model

extension JobConfiguration {
    /// What the diffusion section cannot be, or would say in vain, for this network; fields as in that section.
    var objectiveProblems: [(field: String, message: String)] {
        var found: [(field: String, message: String)] = []
        let target = diffusion.target
        if target != .flow, diffusion.schedule == .linear, diffusion.steps <= 20 {
            found.append(
                (
                    "steps",
                    "the linear schedule reaches beta = 1 with \(diffusion.steps) noise levels; use more than 20, "
                        + "or the cosine schedule"
                ))
        }
        if target == .flow, model.learnSigma {
            found.append(
                ("target", "flow predicts no variance; set model.learnSigma: false, or choose target eps, v or x0"))
        }
        if target == .eps, diffusion.zeroTerminalSNR {
            found.append(
                (
                    "target",
                    "with zeroTerminalSNR the last step holds no signal, so eps says nothing about the image there; "
                        + "choose target v (or x0), or turn zeroTerminalSNR off"
                ))
        }
        if target != .v, diffusion.weighting != DiffusionConfiguration().weighting {
            found.append(
                (
                    "weighting",
                    "\(diffusion.weighting.yaml) weights the error of target v only, and the target is "
                        + "\(target.yaml); remove weighting, or choose target v"
                ))
        }
        if target == .flow, diffusion.zeroTerminalSNR {
            found.append(("zeroTerminalSNR", "a flow ends in pure noise by itself; remove zeroTerminalSNR"))
        }
        if target == .flow, diffusion.schedule != DiffusionConfiguration().schedule {
            found.append(("schedule", "a flow follows straight paths and has no schedule; remove schedule"))
        }
        return found
    }

    /// What is wrong with `sampling.respacing` for this number of noise levels.
    var respacingProblem: String? {
        let text = sampling.respacing
        let levels = diffusion.steps
        if text.isEmpty { return nil }
        if text.hasPrefix("ddim"), let count = Int(text.dropFirst(4)), count > 0 {
            // Equal strides from level 0, as in the published code: one of them must give exactly that many steps.
            if (1...levels).contains(where: { (levels + $0 - 1) / $0 == count }) { return nil }
            return "no equal stride through \(levels) noise levels gives \(count) steps; use \(count) without ddim"
        }
        let counts = text.split(separator: ",", omittingEmptySubsequences: false).map {
            Int($0.drop { $0 == " " }) ?? 0
        }
        guard counts.allSatisfy({ $0 > 0 }) else {
            return "wanted a number of steps such as 50, or ddim50, or numbers such as 10,15,25; found \(text)"
        }
        for (index, count) in counts.enumerated() {
            let size = levels / counts.count + (index < levels % counts.count ? 1 : 0)
            if count > size {
                return "\(count) steps do not fit into \(size) noise levels (diffusion.steps over the number of parts)"
            }
        }
        return nil
    }
}
