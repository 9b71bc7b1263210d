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
            #expect(Set(cut.panels.map(\.rows)).count <= 3)
        }
        #expect(BatchCut(shape, samples: shape.groupSamples).panels.map(\.rows).max() == shape.fullPanelRows)
    }

    @Test("a forward pass has finer panels where threads would be idle, down to 16 rows", arguments: tokens)
    func forward(_ tokens: Int) {
        let shape = BatchCut.Shape(tokens: tokens, panelRows: 64)
        for samples in samples(shape) {
            let whole = BatchCut(shape, samples: samples).panels
            #expect(BatchCut.forwardPanels(shape, samples: samples, threads: 1) == whole)
            for threads in [2, 3, 16, 64, 1000] {
                let panels = BatchCut.forwardPanels(shape, samples: samples, threads: threads)
                #expect(panels.count >= whole.count && (whole.count < 21 * threads || panels == whole))
                var next = 0
                for panel in panels {
                    #expect(panel.firstRow == next && 1...64 ~= panel.rows && panel.firstSample == next / tokens)
                    #expect(panel.rows % panel.rowsPerSample == 0)
                    next += panel.rows
                }
                #expect(next == samples * tokens)
            }
        }
        #expect(BatchCut.forwardPanels(shape, samples: 9, threads: 9 * tokens).allSatisfy { $0.rows <= 16 })
        // Four samples of 256 tokens.
        let latents = BatchCut.Shape(tokens: 256, panelRows: 64)
        for (threads, panels, rows) in [
            (1, 16, 64), (2, 16, 64), (16, 16, 64), (32, 32, 32), (64, 64, 16), (128, 64, 16),
        ] {
            let own = BatchCut.forwardPanels(latents, samples: 4, threads: threads)
            #expect(own.count == panels && own.allSatisfy { $0.rows == rows })
            let most = BatchCut.busiestRows(latents, samples: 4, threads: threads, finer: true)
            #expect(most.forward == max(16, 1024 / threads) && most.backward == max(64, 1024 / threads))
        }
        // A backward pass takes groups of 8 samples, 32 panels, one after the other.
        for (threads, rows) in [(1, 5120), (16, 320), (24, 320), (32, 192), (1000, 192)] {
            #expect(BatchCut.busiestRows(latents, samples: 20, threads: threads, finer: false).backward == rows)
        }
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
