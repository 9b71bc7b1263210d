import Compute
import Model
import Reporting
import Storage
import TestSupport
import Testing

@testable import Sampling

/// Given inputs through a network.
@Suite struct NetworkOutputsTests {
    private typealias Values = [(name: String, type: HDF5Type, shape: [Int], values: [Double])]

    private func write(_ values: Values, to path: String) throws {
        let file = try HDF5File.create(path)
        for dataset in values {
            try file.createDataset(dataset.name, dataset.type, shape: dataset.shape).write(dataset.values)
        }
        try file.close()
    }

    private func inputs(_ model: ModelConfiguration, count: Int) -> Values {
        let x = testNormals(count * model.imageValues, seed: 5).map(Double.init)
        let side = model.imageSize
        let y: Values =
            switch model.conditioning {
            case .classes: [("y", .int64, [count], (0..<count).map { Double($0 % (model.classes + 1)) })]
            case .continuous:
                [("y", .float32, [count, model.classes], testNormals(count * model.classes, seed: 6).map(Double.init))]
            case .none: []
            }
        return [
            ("x", .float32, [count, model.channels, side, side], x),
            ("t", .int32, [count], (0..<count).map { Double($0 * 37 % 1000) }),
        ] + y
    }

    /// What is written is the network's own output, at any batch, from a checkpoint and from its export.
    @Test(arguments: ModelConfiguration.Conditioning.allCases, [false, true])
    func outputsAreTheNetworks(conditioning: ModelConfiguration.Conditioning, fixedPoint: Bool) throws {
        let saved = try SavedNetwork {
            ($0.conditioning, $0.fixedPoint, $0.learnSigma) = (conditioning, fixedPoint, true)
        }
        let (model, folder) = (saved.job.model, saved.folder)
        let values = inputs(model, count: 7)
        try write(values, to: folder("in.h5"))
        let engine = try Engine(threads: 2)
        func output(_ source: WeightsSource, _ kind: SavedWeights?, batch: Int, _ name: String) throws -> [Float] {
            let weights = try source.weights(kind, of: source.job().model)
            try withExtendedLifetime(weights) {
                try NetworkOutputs.write(
                    NetworkInputs(folder("in.h5"), for: model), through: model, weights: weights.values, iterations: 3,
                    batch: batch, engine: engine, attributes: ["source": source.path], to: folder(name))
            }
            let file = try HDF5File.open(folder(name))
            #expect(try file.attribute("source") == source.path)
            #expect(try file.hasAttribute("iterations") == fixedPoint)
            let dataset = try file.dataset("output")
            #expect(dataset.type == .float32 && dataset.shape == [7, 4, 4, 4])
            return try dataset.read()
        }
        let checkpoint = try WeightsSource.open(folder("run")) { _ in }
        let whole = try output(checkpoint, nil, batch: 64, "whole.h5")
        #expect(try output(checkpoint, .ema, batch: 3, "three.h5") == whole)
        #expect(try output(checkpoint, .model, batch: 64, "model.h5") != whole)
        try WeightsExport.write(saved.reader, weights: .ema, to: folder("ema"), table: saved.table)
        #expect(try output(.open(folder("ema")) { _ in }, nil, batch: 64, "file.h5") == whole)

        let network = Network(model, engine: engine, capacity: 7, use: .inference)
        withMemory { memory in
            var flat = [Float](repeating: 0, count: saved.table.flatCount)
            for (parameter, value) in zip(saved.table.parameters, saved.values("ema")) {
                flat.replaceSubrange(parameter.range, with: value)
            }
            let y = values.last?.values ?? []
            let labels: Labels =
                switch conditioning {
                case .classes: .classes(y.map { Int($0) })
                case .continuous: .continuous(y.map { Float($0) })
                case .none: .none
                }
            let weights = memory.floats(flat)
            network.load(weights)
            network.forward(
                .init(
                    images: memory.floats(values[0].values.map { Float($0) }),
                    timesteps: values[1].values.map { Int($0) }, labels: labels),
                iterations: Iterations(withoutGradient: 3, withGradient: 0))
            #expect(network.output.array.prefix(whole.count).elementsEqual(whole))
            #expect(Set(whole).count > whole.count / 2)
        }
    }

    @Test func whatIsNoInputIsRefused() throws {
        let folder = try TestFolder()
        let model = tinyModel()
        func refused(_ says: String, _ model: ModelConfiguration = model, _ change: (inout Values) -> Void) throws {
            var values = inputs(model, count: 3)
            change(&values)
            try write(values, to: folder("in.h5"))
            let error = storageError { _ = try NetworkInputs(folder("in.h5"), for: model) }
            #expect(error?.kind == .malformed && error?.message.contains(says) == true, "\(error?.message ?? "")")
            try AtomicFile.removeTree(folder("in.h5"))
        }
        try refused("lacks /x") { $0.remove(at: 0) }
        try refused("lacks /t") { $0.remove(at: 1) }
        try refused("lacks /y") { $0.remove(at: 2) }
        try refused("takes [N, 2, 4, 4]") { $0[0].shape = [3, 1, 8, 4] }
        try refused("store it as float32") { $0[0].type = .float64 }
        try refused("one for each image") { ($0[1].shape, $0[1].values) = ([2], [0, 1]) }
        try refused("holds 0.5") { ($0[1].type, $0[1].values) = (.float32, [0, 0.5, 1]) }
        try refused("holds 1000") { $0[1].values = [0, 1, 1000] }
        try refused("holds -1") { $0[1].values = [0, 1, -1] }
        try refused("class 4") { $0[2].values = [0, 4, 1] }
        try refused("/y holds 0.5, which is no whole number") { ($0[2].type, $0[2].values) = (.float32, [0.5, 1, 2]) }
        try refused("/y holds nan") { ($0[2].type, $0[2].values) = (.float64, [0, .nan, 2]) }
        try refused("/y has shape [3, 1]") { $0[2].shape = [3, 1] }
        try refused("takes no labels", tinyModel { $0.conditioning = .none }) {
            $0.append(("y", .int32, [3], [0, 0, 0]))
        }
        try refused("label vectors", tinyModel { $0.conditioning = .continuous }) {
            ($0[2].shape, $0[2].values) = ([3], [0, 0, 0])
        }
        let missing = storageError { _ = try NetworkInputs(folder("none.h5"), for: model) }
        #expect(missing?.kind == .missing)
    }

    /// Found where they are read, in whatever batch.
    @Test(arguments: [1, 2, 64]) func whatIsNotFiniteIsRefused(batch: Int) throws {
        let folder = try TestFolder()
        let model = tinyModel { $0.conditioning = .continuous }
        let engine = try Engine(threads: 1)
        let weights = LoadedWeights(count: ParameterTable(model).flatCount)
        for (number, place, says) in [
            (0, 2 * model.imageValues + 21, "/x holds inf at [2, 1, 1, 1]"), (2, 4, "/y holds inf at [1, 1]"),
        ] {
            var values = inputs(model, count: 3)
            values[number].values[place] = .infinity
            try write(values, to: folder("in.h5"))
            let error = storageError {
                try NetworkOutputs.write(
                    NetworkInputs(folder("in.h5"), for: model), through: model, weights: weights.values, iterations: 1,
                    batch: batch, engine: engine, attributes: [:], to: folder("out.h5"))
            }
            #expect(error?.kind == .malformed && error?.message.contains(says) == true, "\(error?.message ?? "")")
            #expect(try Files.names(in: folder.path) == ["in.h5"])
            try AtomicFile.removeTree(folder("in.h5"))
        }
    }

    @Test func aFileKnowsWhatItHolds() throws {
        let saved = try SavedNetwork()
        try WeightsExport.write(saved.reader, weights: .ema, to: saved.folder("w"), table: saved.table)
        let file = try WeightsSource.open(saved.folder("w")) { _ in }
        #expect(try file.kind(nil) == "ema" && file.step == 42)
        #expect(statedFailure { _ = try file.kind(.model) }?.status == .usage)
        let bare = saved.folder("bare")
        try SafeTensors.write([("a", [1])], to: bare) { _, append in try [Float(1)].withUnsafeBufferPointer(append) }
        let failure = statedFailure { _ = try WeightsSource.open(bare) { _ in }.job() }
        #expect(failure?.description.contains("checkpoint import \(bare) --job") == true)
    }
}
