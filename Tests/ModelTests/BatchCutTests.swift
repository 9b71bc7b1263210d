import Testing

@testable import Model

@Suite("How a batch is cut")
struct BatchCutTests {
    /// A panel has 64 rows, or 128: several samples, one, or a part of one that does not always divide it evenly.
    static let panelRows = [64, 128]
    static let tokens = [1, 4, 9, 16, 36, 63, 64, 65, 81, 100, 128, 129, 257, 1024, 4096]

    /// Numbers of samples around the borders of panels and groups.
    private func samples(_ shape: BatchCut.Shape) -> [Int] {
        let group = shape.groupSamples
        return [1, 2, 3, 7, 8, 9, 17, group - 1, group, group + 1, 2 * group + 3].filter { $0 > 0 }
    }

    @Test("panels cover every row once, in order", arguments: tokens, panelRows)
    func panels(_ tokens: Int, _ most: Int) {
        let shape = BatchCut.Shape(tokens: tokens, panelRows: most)
        let parts = (tokens + most - 1) / most
        #expect(shape.slotsPerSample == parts)
        for samples in samples(shape) {
            let cut = BatchCut(shape, samples: samples)
            #expect(cut.rows == tokens * samples)
            var next = 0
            for (index, panel) in cut.panels.enumerated() {
                #expect(panel.index == index && panel.firstRow == next && 1...most ~= panel.rows)
                #expect(panel.firstSample == panel.firstRow / tokens)
                if parts == 1 {
                    #expect(panel.firstRow % tokens == 0 && panel.rows % tokens == 0)
                    #expect(panel.rowsPerSample == tokens && panel.slot == panel.firstSample)
                } else {
                    // Of one sample, and of like size.
                    #expect((panel.firstRow + panel.rows - 1) / tokens == panel.firstSample)
                    #expect([tokens / parts, (tokens + parts - 1) / parts].contains(panel.rows))
                    #expect(panel.rowsPerSample == panel.rows && panel.slot == index)
                    #expect(panel.slot / parts == panel.firstSample)
                }
                next += panel.rows
            }
            #expect(next == cut.rows)
            #expect(cut.panelSizes == Set(cut.panels.map(\.rows)) && cut.panelSizes.count <= 3)
        }
        #expect(BatchCut(shape, samples: shape.groupSamples).panelSizes.max() == shape.fullPanelRows)
    }

    @Test("groups start at fixed samples", arguments: tokens, panelRows)
    func groups(_ tokens: Int, _ most: Int) throws {
        let shape = BatchCut.Shape(tokens: tokens, panelRows: most)
        let size = shape.groupSamples
        #expect(size * tokens <= max(2048, tokens))
        // Whole panels, and whole tiles of the layers that have a row for each sample.
        #expect(size % max(1, most / tokens) == 0 && (size <= 8 || size % 8 == 0))
        for samples in samples(shape) {
            let cut = BatchCut(shape, samples: samples)
            try #require(cut.groups.count == (samples + size - 1) / size)
            for (index, group) in cut.groups.enumerated() {
                #expect(group.samples == index * size..<min((index + 1) * size, samples))
                let own = cut.panels[group.panels]
                #expect(own.first?.firstRow == group.samples.lowerBound * tokens)
                #expect(own.reduce(0) { $0 + $1.rows } == group.samples.count * tokens)
                #expect(group.panels.lowerBound == (index == 0 ? 0 : cut.groups[index - 1].panels.upperBound))
                // It is cut as it would be alone.
                let alone = BatchCut(shape, samples: group.samples.count)
                #expect(alone.panels.map(\.rows) == own.map(\.rows))
                #expect(alone.panels.map(\.rowsPerSample) == own.map(\.rowsPerSample))
                let slots = group.samples.lowerBound * shape.slotsPerSample
                #expect(alone.panels.map(\.slot) == own.map { $0.slot - slots })
            }
            #expect(cut.groups.last?.panels.upperBound == cut.panels.count)
        }
    }

    @Test(
        "sizes of groups",
        arguments: [(1, 2048), (4, 512), (16, 128), (36, 56), (64, 32), (144, 8), (256, 8), (1024, 2), (4096, 1)])
    func sizes(_ tokens: Int, _ size: Int) {
        // Runs are recorded in these: another size gives other bits.
        #expect(BatchCut.Shape(tokens: tokens, panelRows: 64).groupSamples == size)
        #expect(BatchCut.Shape(tokens: tokens, panelRows: 128).groupSamples == (tokens == 36 ? 48 : size))
    }
}
