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
            for rank in 0..<ranks {
                let touched = rows.touched(parameter, by: rank)
                let own = parameter.range.clamped(to: slices[rank])
                #expect(touched.isEmpty == own.isEmpty)
                guard !own.isEmpty else { continue }
                let range = CheckpointRows.range(parameter, rows: touched)
                let length = range.count / touched.count
                #expect(range.lowerBound <= own.lowerBound && range.upperBound >= own.upperBound)
                #expect(own.lowerBound - range.lowerBound < length && range.upperBound - own.upperBound < length)
            }
        }
        let tails = (0..<ranks).filter { !rows.tail(of: $0).isEmpty }
        #expect(ranks < 5 || !tails.isEmpty, "these slices should cut rows")
    }

    /// What ranks hold is put together as the messages of `completeRows` would, one process playing all ranks.
    @Test(arguments: [1, 2, 3, 8]) func whatRanksSaveAnyNumberLoads(_ ranks: Int) throws {
        let folder = try TestFolder()
        let table = ParameterTable(model)
        let slices = FlatSlices(count: table.flatCount, ranks: ranks)
        let whole = TrainingState(table)
        whole.start(TrainingRandom(seed: 3))
        for (number, vector) in [whole.ema, whole.firstMoment, whole.secondMoment].enumerated() {
            for parameter in table.parameters {
                for i in parameter.range { vector[i] = Float(i) + Float(number) / 4 }
            }
        }
        defer { withExtendedLifetime(whole) {} }
        let rows = CheckpointRows(table, slices)
        let parts = (0..<ranks).map { rank in
            let state = TrainingState(table, slices: slices, rank: rank)
            state.weights.copy(from: whole.weights)
            let held = slices[rank].lowerBound..<rows.tail(of: rank).upperBound
            for (part, from) in [
                (state.emaWithTail, whole.ema), (state.firstMomentWithTail, whole.firstMoment),
                (state.secondMomentWithTail, whole.secondMoment),
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
            for rank in 0..<others {
                let state = TrainingState(table, slices: slices, rank: rank)
                defer { withExtendedLifetime(state) {} }
                try state.load(reader)
                let own = slices[rank]
                #expect(state.weights.array == whole.weights.array)
                #expect(state.ema.array == whole.ema[own].array)
                #expect(state.firstMoment.array == whole.firstMoment[own].array)
                #expect(state.secondMoment.array == whole.secondMoment[own].array)
            }
        }
    }
}
