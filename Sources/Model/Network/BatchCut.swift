import Compute

/// How the rows of a batch, one for each token, are cut for the threads: by shape alone.
///
/// A panel is what one task takes through everything between two attentions: whole samples, or an equal part of one. A
/// group is what the backward pass takes at a time: a fixed number of samples from a fixed position on, so that
/// gradients are added up in the same order however many samples share a pass. B samples, T tokens, R = B T rows.
public struct BatchCut: Equatable, Sendable {
    public struct Panel: Equatable, Sendable {
        /// Its number among all panels.
        public let index: Int
        public let firstRow: Int
        public let rows: Int
        public let firstSample: Int
        /// Of the panels that a sample is cut into, the first one's number, counted over all samples.
        let slot: Int
        /// Rows of one sample in it.
        let rowsPerSample: Int
    }

    public struct Group: Equatable, Sendable {
        public let samples: Range<Int>
        public let panels: Range<Int>
    }

    /// Rows of a panel at most.
    public static let panelRows = PackedWeight.typicalRows
    /// Rows of a group at most, where a sample has not more.
    public static let groupRows = 2048

    public let tokens: Int
    public let samples: Int
    public let panels: [Panel]
    public let groups: [Group]

    public init(tokens: Int, samples: Int) {
        self.tokens = tokens
        self.samples = samples
        let parts = Self.slotsPerSample(tokens: tokens)
        let together = max(1, Self.panelRows / tokens)
        let group = Self.groupSamples(tokens: tokens)
        var panels: [Panel] = []
        var groups: [Group] = []
        for start in stride(from: 0, to: samples, by: group) {
            let end = min(start + group, samples)
            let first = panels.count
            if parts == 1 {
                for sample in stride(from: start, to: end, by: together) {
                    panels.append(
                        Panel(
                            index: panels.count, firstRow: sample * tokens,
                            rows: (min(sample + together, end) - sample) * tokens,
                            firstSample: sample, slot: sample, rowsPerSample: tokens))
                }
            } else {
                for slot in start * parts..<end * parts {
                    let (sample, part) = slot.quotientAndRemainder(dividingBy: parts)
                    let (from, to) = (tokens * part / parts, tokens * (part + 1) / parts)
                    panels.append(
                        Panel(
                            index: panels.count, firstRow: sample * tokens + from, rows: to - from, firstSample: sample,
                            slot: slot,
                            rowsPerSample: to - from))
                }
            }
            groups.append(Group(samples: start..<end, panels: first..<panels.count))
        }
        self.panels = panels
        self.groups = groups
    }

    /// Samples of a whole group: microbatches of a multiple of it give the same bits.
    public static func groupSamples(tokens: Int) -> Int {
        let together = max(1, panelRows / tokens)
        let samples = max(1, groupRows / tokens / together) * together
        // Whole tiles of the layers that have a row for each sample.
        return samples > Linear.rowTile ? samples / Linear.rowTile * Linear.rowTile : samples
    }

    /// Panels that one sample is cut into; 1 where a panel holds whole samples.
    public static func slotsPerSample(tokens: Int) -> Int { (tokens + panelRows - 1) / panelRows }

    /// Every number of rows that a panel has.
    var panelSizes: Set<Int> { Set(panels.map(\.rows)) }
    var rows: Int { samples * tokens }
}
