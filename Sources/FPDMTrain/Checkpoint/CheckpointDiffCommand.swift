import ArgumentParser
import Checkpoints

struct CheckpointDiffCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "diff", abstract: "Compare two checkpoints.",
        discussion: """
            Exit code 0 if step, updates, grids of the sums and all bits of all tensors are equal, 1 if not. World \
            size and hosts are shown, job and times where they differ; they do not count.
            """)

    @Argument(help: "A checkpoint's folder, or a run's.") var a: String
    @Argument(help: "Another.") var b: String
    @Flag(help: "Print JSON.") var json = false

    /// The comparison, and its outcome beside it.
    private struct Report: Encodable {
        let isEqual: Bool
        let difference: CheckpointDifference
    }

    func run() throws {
        try Session.requireOneProcess("checkpoint diff")
        let difference = try CheckpointDifference(CheckpointSupport.open(a), CheckpointSupport.open(b))
        if json {
            try Console.printJSON(Report(isEqual: difference.isEqual, difference: difference))
        } else {
            print(text(difference))
        }
        if !difference.isEqual { throw ExitCode(1) }
    }

    private func text(_ difference: CheckpointDifference) -> String {
        var metadata = [["", "A", "B"], ["path", difference.pathA, difference.pathB]]
        metadata.append(["step", String(difference.stepA), String(difference.stepB)])
        metadata += (difference.state + difference.metadata).map { [$0.name, $0.a, $0.b] }
        var text = table(metadata, texts: 3) + "\n\n"
        let unequal = difference.tensors.filter { $0.verdict != .equal }
        if !unequal.isEmpty {
            let rows = unequal.map { tensor -> [String] in
                let name = "\(tensor.group)/\(tensor.name)"
                switch tensor.verdict {
                case .equal, .different:
                    return [
                        name, String(tensor.differing), significant(tensor.maximum, 6), significant(tensor.relative, 6),
                    ]
                case .shape: return [name, "shape \(tensor.shape), \(tensor.otherShape ?? [])"]
                case .onlyInA: return [name, "only in A"]
                case .onlyInB: return [name, "only in B"]
                }
            }
            let head = ["tensor", "values that differ", "largest |a - b|", "||a - b|| / ||a||"]
            text += table([head] + rows, texts: 2) + "\n\n"
        }
        let count = difference.tensors.count
        text += unequal.isEmpty ? "All \(count) tensors are equal." : "\(unequal.count) of \(count) tensors differ."
        if difference.stepA != difference.stepB { text += " The steps differ." }
        for entry in difference.state { text += " \(entry.name) differs." }
        return text
    }
}
