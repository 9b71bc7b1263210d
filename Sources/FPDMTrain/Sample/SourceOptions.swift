import ArgumentParser
import Sampling

/// Which of a source's weights are used, and what says what they are of (`WeightsSource`).
struct SourceOptions: ParsableArguments {
    @Option(
        name: .long,
        help: "Weights to use: ema, their moving average, or model. A checkpoint's ema, or a file's, if not given.")
    var weights: SavedWeights?

    @Option(
        name: .long, help: "Job file that says what network the weights are of, where they do not record it.",
        completion: .file(extensions: ["yaml", "yml"]))
    var job: String?
}
