import Datasets

/// Where the samples of steps come from, one step after the other. One thread at a time may use it.
protocol SampleSource {
    /// Reads those of the next step.
    func read(step: Int, into batch: SampleBatch) throws

    /// Reads something that a later step will need; false if there is nothing.
    func readAhead() throws -> Bool
}

extension BatchPlan {
    /// - Parameters:
    ///   - virtualRanks: those whose samples are wanted.
    ///   - steps: those to be read, in order.
    func source(_ dataset: ShardedDataset, virtualRanks: Range<Int>, steps: Range<Int>) -> any SampleSource {
        guard let order else { return IndexedSamples(dataset, self, positions: positions(virtualRanks)) }
        return StreamedSamples(
            StreamReader(dataset, order, streams: virtualRanks, positions: streamPositions(steps)),
            samples: virtualRankSize)
    }
}

/// Samples of shuffle `full` and `none`: each where the plan says.
private struct IndexedSamples: SampleSource {
    private let dataset: ShardedDataset
    private let plan: BatchPlan
    private let positions: Range<Int>

    init(_ dataset: ShardedDataset, _ plan: BatchPlan, positions: Range<Int>) {
        (self.dataset, self.plan, self.positions) = (dataset, plan, positions)
    }

    func read(step: Int, into batch: SampleBatch) throws {
        try batch.read(dataset, plan.samples(step: step, positions: positions))
    }

    func readAhead() -> Bool { false }
}

/// Samples of shuffle `window`: what the streams give.
private struct StreamedSamples: SampleSource {
    private let reader: StreamReader
    /// Of each stream in a step.
    private let samples: Int

    init(_ reader: StreamReader, samples: Int) { (self.reader, self.samples) = (reader, samples) }

    func read(step: Int, into batch: SampleBatch) throws {
        try batch.withLabels { try reader.take(samples, images: batch.images.base, classes: $0, vectors: $1) }
    }

    func readAhead() throws -> Bool { try reader.readAhead() }
}
