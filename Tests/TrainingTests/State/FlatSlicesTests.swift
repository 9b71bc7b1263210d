import Checkpoints
import Compute
import Model
import TestSupport
import Testing

@testable import Training

/// Who owns which part of the flat vectors, and which rows are saved by whom.
@Suite struct FlatSlicesTests {
    @Test(arguments: [1, 2, 3, 5, 8, 40], [0, 16, 4096, 4112, 100_000, 123_456])
    func slicesCoverTheVectorInOrder(_ ranks: Int, _ count: Int) {
        let slices = FlatSlices(count: count, ranks: ranks)
        var end = 0
        for rank in 0..<ranks {
            #expect(slices[rank].lowerBound == end && (end % 4096 == 0 || end == count))
            end = slices[rank].upperBound
        }
        #expect(end == count && slices.counts.reduce(0, +) == count)
        let blocks = slices.counts.map { Reductions.blocks($0) }
        #expect((blocks.max() ?? 0) - (blocks.min() ?? 0) <= 1)
    }

    /// Wider than a slice's smallest part, so that borders cut rows, and rows span slices.
    private var model: ModelConfiguration {
        tinyModel { ($0.width, $0.heads, $0.mlpRatio, $0.classes) = (48, 2, 100, 700) }
    }

    @Test(arguments: [1, 2, 3, 5, 7, 16, 61]) func everyRowIsSavedOnceByTheOwnerOfItsStart(_ ranks: Int) {
        let table = ParameterTable(model)
        let slices = FlatSlices(count: table.flatCount, ranks: ranks)
        let rows = CheckpointRows(table, slices)
        for parameter in table.parameters {
            var next = 0
            for rank in 0..<ranks {
                let saved = rows.saved(parameter, by: rank)
                guard !saved.isEmpty else { continue }
                #expect(saved.lowerBound == next)
                next = saved.upperBound
                let range = CheckpointRows.range(parameter, rows: saved)
                #expect(slices[rank].contains(range.lowerBound))
                // It ends in the slice, or where the tail does.
                #expect(range.upperBound <= max(slices[rank].upperBound, rows.tail(of: rank).upperBound))
            }
            #expect(next == parameter.shape[0], "\(parameter.name)")
        }
        // All rows of a rank are one stretch of the flat vector.
        var end = 0
        for rank in 0..<ranks {
            let whole = rows.whole(by: rank)
            #expect(whole.lowerBound == end && whole.upperBound >= slices[rank].upperBound)
            end = whole.upperBound
            for parameter in table.parameters {
                let saved = rows.saved(parameter, by: rank)
                let range = CheckpointRows.range(parameter, rows: saved)
                #expect(saved.isEmpty || range.clamped(to: whole) == range, "\(parameter.name)")
            }
        }
        #expect(end == table.flatCount)
        let tails = (0..<ranks).filter { !rows.tail(of: $0).isEmpty }
        #expect(ranks < 5 || !tails.isEmpty, "these slices should cut rows")
    }

    /// What ranks hold is put together as the messages of `completeRows` would, one process playing all ranks.
    @Test(arguments: [1, 2, 3, 8]) func whatRanksSaveAnyNumberLoads(_ ranks: Int) throws {
        let folder = try TestFolder()
        let table = ParameterTable(model)
        let slices = FlatSlices(count: table.flatCount, ranks: ranks)
        let saved = TrainingState(table)
        saved.start(TrainingRandom(seed: 3))
        for (number, vector) in [saved.ema, saved.firstMoment, saved.secondMoment].enumerated() {
            for parameter in table.parameters {
                for i in parameter.range { vector[i] = Float(i) + Float(number) / 4 }
            }
        }
        defer { withExtendedLifetime(saved) {} }
        let rows = CheckpointRows(table, slices)
        let parts = (0..<ranks).map { rank in
            let state = TrainingState(table, slices: slices, rank: rank)
            state.weights.copy(from: saved.weights)
            let held = slices[rank].lowerBound..<rows.tail(of: rank).upperBound
            for (part, from) in [
                (state.emaWithTail, saved.ema), (state.firstMomentWithTail, saved.firstMoment),
                (state.secondMomentWithTail, saved.secondMoment),
            ] { part.copy(from: from.slice(held.lowerBound, held.count)) }
            return state
        }
        defer { withExtendedLifetime(parts) {} }
        let metadata = CheckpointMetadata(step: 1, jobYAML: "", worldSize: ranks, hosts: ["here"], version: "test")
        let writer = try CheckpointWriter.begin(step: 1, run: folder.path)
        let digests = try parts.enumerated().map { rank, state in
            try writer.writeRankFile(
                state.checkpointPieces(in: state.savedVectors), writer: rank, of: ranks)
        }
        let path = try writer.finish(layout: parts[0].checkpointLayout, metadata: metadata, digests: digests)
        let reader = try CheckpointReader.open(path)
        for others in [1, 2, 3, 5] {
            let slices = FlatSlices(count: table.flatCount, ranks: others)
            let rows = CheckpointRows(table, slices)
            let states = (0..<others).map { TrainingState(table, slices: slices, rank: $0) }
            defer { withExtendedLifetime(states) {} }
            try reader.check(states.flatMap { try $0.loadRows($0.groups, of: reader) })
            for state in states {
                // What starts before the slice comes by message from the rank that it starts in; rank tests see that.
                let own = rows.whole(by: state.rank)
                guard !own.isEmpty else { continue }
                #expect(state.weights[own].array == saved.weights[own].array)
                for (read, written) in [
                    (state.emaWithTail, saved.ema), (state.firstMomentWithTail, saved.firstMoment),
                    (state.secondMomentWithTail, saved.secondMoment),
                ] {
                    let held = read.slice(own.lowerBound - state.slice.lowerBound, own.count)
                    #expect(held.array == written[own].array)
                }
            }
        }
    }
}
