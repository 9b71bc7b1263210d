import Compute

/// How the rows of a batch, one for each token, are cut for the threads: by shape alone, for a backward pass.
///
/// A panel is what one task takes through everything between two attentions: whole samples, or an equal part of one.
/// Those of a backward pass decide in which order gradients are added up; a forward pass may have finer ones
/// (`forwardPanels`). A group is what the backward pass takes at a time: a fixed number of samples from a fixed position on, so that
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

    /// What of a network decides how its batches are cut.
    public struct Shape: Hashable, Sendable {
        public let tokens: Int
        /// Rows of a panel at most.
        public let panelRows: Int

        /// Few enough that what a panel's layers make of it stays in a core's own cache.
        public static let usualRows = 64

        /// Rows of a group at most, where a sample has not more.
        private static let groupRows = 2048

        public init(tokens: Int, panelRows: Int) { (self.tokens, self.panelRows) = (tokens, panelRows) }

        /// Samples of a panel that holds whole ones.
        var samplesPerPanel: Int { max(1, panelRows / tokens) }

        /// Panels that one sample is cut into; 1 where a panel holds whole samples.
        public var slotsPerSample: Int { (tokens + panelRows - 1) / panelRows }

        /// Rows of a panel that lacks no sample; of the longest, where a sample has several.
        public var fullPanelRows: Int {
            let parts = slotsPerSample
            return parts == 1 ? samplesPerPanel * tokens : (tokens + parts - 1) / parts
        }

        /// Samples of a whole group: microbatches of a multiple of it give the same bits.
        public var groupSamples: Int {
            let samples = max(1, Self.groupRows / tokens / samplesPerPanel) * samplesPerPanel
            // Whole tiles of the layers that have a row for each sample.
            return samples > Linear.rowTile ? samples / Linear.rowTile * Linear.rowTile : samples
        }
    }

    public let tokens: Int
    public let samples: Int
    /// Of a whole group.
    public let groupSamples: Int
    public let panels: [Panel]
    public let groups: [Group]

    public init(_ shape: Shape, samples: Int) {
        let tokens = shape.tokens
        self.tokens = tokens
        self.samples = samples
        let (parts, together, group) = (shape.slotsPerSample, shape.samplesPerPanel, shape.groupSamples)
        groupSamples = group
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

    /// The panels of a forward pass on so many threads: those that give the busiest thread least to do. A row's bits are
    /// the same in any.
    ///
    /// Finer ones read the weights more often. Measured on two cores, FPDM-S/2 takes as long in panels of 16 rows as of
    /// 64, FPDM-XL/2 1.01 to 1.06 times as long in those of 32 and 1.15 to 1.7 times in those of 16.
    static func forwardPanels(_ shape: Shape, samples: Int, threads: Int) -> [Panel] {
        let choices = [(shape.panelRows, 1), (shape.panelRows / 2, 1.05), (shape.panelRows / 4, 1.5)].map {
            rows, perRow in
            let panels = BatchCut(Shape(tokens: shape.tokens, panelRows: rows), samples: samples).panels
            return (panels: panels, cost: Double(busiest(panels, threads)) * perRow)
        }
        return choices.min { $0.cost < $1.cost }?.panels ?? []
    }

    /// Rows that the busiest of so many threads takes through a pass, forward and backward.
    ///
    /// - Parameter finer: whether a forward pass may have finer panels (`Engine.takesFewRows`).
    public static func busiestRows(
        _ shape: Shape, samples: Int, threads: Int, finer: Bool
    ) -> (forward: Int, backward: Int) {
        let cut = BatchCut(shape, samples: samples)
        let panels = finer ? forwardPanels(shape, samples: samples, threads: threads) : cut.panels
        return (
            busiest(panels, threads),
            cut.groups.reduce(0) { $0 + busiest(Array(cut.panels[$1.panels]), threads) }
        )
    }

    /// Rows of the thread that gets most of them, where each takes the next panel when it is done with one.
    private static func busiest(_ panels: [Panel], _ threads: Int) -> Int {
        var rows = [Int](repeating: 0, count: threads)
        for panel in panels {
            guard let next = rows.indices.min(by: { rows[$0] < rows[$1] }) else { break }
            rows[next] += panel.rows
        }
        return rows.max() ?? 0
    }

    var rows: Int { samples * tokens }
}

extension ModelConfiguration {
    /// How its batches are cut.
    public var cut: BatchCut.Shape { BatchCut.Shape(tokens: tokens, panelRows: BatchCut.Shape.usualRows) }
}
