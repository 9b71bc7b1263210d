import Checkpoints
import Compute
import Foundation
import Jobs
import Model
import Reporting
import Storage
import TestSupport
import Testing

@testable import Sampling

/// Checkpoints of weights that come from elsewhere.
@Suite struct WeightsImportTests {
    /// The values of a group of a checkpoint, in the order of the table.
    private func values(_ reader: CheckpointReader, _ group: String, _ table: ParameterTable) throws -> [[Float]] {
        try table.parameters.map { parameter in
            var values: [Float] = []
            try reader.forEachPiece(group: group, name: parameter.name) { values += $0.array }
            return values
        }
    }

    /// To the bit, however small the shares; and what was exported again has the same bytes but for metadata.
    @Test(arguments: [1, 10, 100, 1 << 25]) func anExportComesBack(most: Int) throws {
        let saved = try SavedNetwork { $0.fixedPoint = true }
        let folder = saved.folder
        try WeightsExport.write(saved.reader, weights: .model, to: folder("model"), table: saved.table)
        try WeightsExport.write(saved.reader, weights: .ema, to: folder("ema"), table: saved.table)
        let (model, ema) = (try WeightsFile.open(folder("model")), try WeightsFile.open(folder("ema")))
        let job = try WeightsImport.job(nil, for: model, average: ema)
        #expect(job == saved.job)
        let path = try WeightsImport.write(model, average: ema, job: job, to: folder("imported"), most: most)
        #expect(path == folder("imported/checkpoints/step-0000042"))
        let reader = try CheckpointReader.open(path)
        #expect(try values(reader, "model", saved.table) == saved.values("model"))
        #expect(try values(reader, "ema", saved.table) == saved.values("ema"))
        #expect(reader.metadata.environment["imported"] == "\(folder("model")) (model of step 42)")
        #expect(try CheckpointVerification(path).isValid)
        let names = try Files.names(in: path)
        #expect((names.count == 3) == (most > 1 << 20), "\(names)")

        // One file alone is its own average.
        let alone = try WeightsImport.write(model, job: job, to: folder("alone"))
        #expect(try values(CheckpointReader.open(alone), "ema", saved.table) == saved.values("model"))
    }

    /// A state dictionary as PyTorch's wrappers and the list of all blocks spell it.
    @Test(arguments: ["", "module.", "_orig_mod.", "module._orig_mod."], [false, true])
    func publishedSpellingsAreTaken(wrapper: String, both: Bool) throws {
        let saved = try SavedNetwork { ($0.fixedPoint, $0.preDepth, $0.postDepth) = (true, 2, 2) }
        func counted(_ name: String) -> String {
            name.replacing("blocks_pre.", with: "blocks.").replacing("block_fixed_point.", with: "blocks.2.")
                .replacing("blocks_post.0", with: "blocks.3").replacing("blocks_post.1", with: "blocks.4")
        }
        func write(_ path: String, spoilt: Bool = false, without: String? = nil) throws {
            var tensors: [(name: String, piece: CheckpointPiece)] = []
            for piece in saved.tensors where piece.extent.group == "model" && piece.extent.name != without {
                let name = piece.extent.name
                tensors.append((wrapper + counted(name), piece))
                if both, counted(name) != name { tensors.append((wrapper + name, piece)) }
            }
            try SafeTensors.write(tensors.map { ($0.name, $0.piece.extent.shape) }, metadata: [:], to: path) {
                name, append in
                guard let piece = tensors.first(where: { $0.name == name })?.piece else { return }
                var values = piece.values.array
                if spoilt, name == wrapper + "blocks.3.mlp.fc1.bias" { values[1] += 1 }
                try values.withUnsafeBufferPointer(append)
            }
        }
        try write(saved.folder("w"))
        let path = try WeightsImport.write(
            WeightsFile.open(saved.folder("w")), average: nil, job: saved.job, to: saved.folder("imported"), most: 50)
        #expect(try values(CheckpointReader.open(path), "model", saved.table) == saved.values("model"))
        let source = try WeightsSource.open(saved.folder("w")) { _ in }
        _ = try source.weights(nil, of: saved.job.model)
        func refused(_ path: String) -> String {
            let error = #expect(throws: CheckpointError.self) {
                try WeightsSource.open(path) { _ in }.weights(nil, of: saved.job.model)
            }
            return error?.description ?? ""
        }
        try write(saved.folder("lacking"), without: "block_fixed_point.attn.qkv.bias")
        #expect(refused(saved.folder("lacking")).contains("lacks block_fixed_point.attn.qkv.bias"))
        guard both else { return }
        try write(saved.folder("spoilt"), spoilt: true)
        #expect(refused(saved.folder("spoilt")).contains("two names of one tensor"))
    }

    @Test func sharesAreEveryRowOnce() {
        let table = ParameterTable(tinyModel())
        for most in [1, 7, 24, 100, 1_000_000] {
            let shares = WeightsImport.shares(of: table.parameters, most: most)
            var next: [String: Int] = [:]
            for part in shares.joined() {
                #expect(part.rows.lowerBound == next[part.parameter.name, default: 0] && !part.rows.isEmpty)
                next[part.parameter.name] = part.rows.upperBound
            }
            #expect(table.parameters.allSatisfy { next[$0.name] == $0.shape[0] })
            #expect(shares.allSatisfy { $0.count == 1 || $0.reduce(0) { $0 + $1.count } <= most })
        }
    }

    /// Written by the published library and by hand, with and without positions, in narrower types.
    @Test func otherTypesAreTaken() throws {
        let saved = try SavedNetwork()
        try WeightsExport.write(saved.reader, weights: .model, to: saved.folder("f32"), table: saved.table)
        let script = """
            import sys, json, numpy as np
            from safetensors.numpy import load_file, save_file
            tensors = load_file(sys.argv[1])
            save_file({k: v.astype('f2') for k, v in tensors.items()}, sys.argv[2])
            del tensors['pos_embed']
            header, data = {}, b''
            for name, v in tensors.items():
                bits = (v.view('u4') >> 16).astype('u2').tobytes()
                header[name] = dict(dtype='BF16', shape=v.shape, data_offsets=[len(data), len(data) + len(bits)])
                data += bits
            header = json.dumps(header).encode()
            open(sys.argv[3], 'wb').write(len(header).to_bytes(8, 'little') + header + data)
            """
        _ = try Peer.python(
            script, saved.folder("f32"), saved.folder("f16"), saved.folder("bf16"), needs: "safetensors")
        let narrow: [(String, (Float) -> Float)] = [
            ("f16", { Float(Float16($0)) }), ("bf16", { Float(bitPattern: $0.bitPattern & 0xffff_0000) }),
        ]
        for (name, rounded) in narrow {
            let file = try WeightsFile.open(saved.folder(name))
            #expect(file.job == nil && file.step == nil)
            #expect(statedFailure { _ = try WeightsImport.job(nil, for: file) }?.status == .usage)
            let path = try WeightsImport.write(file, job: saved.job, to: saved.folder("run-\(name)"))
            #expect(path.hasSuffix("step-0000000"))
            let found = try values(CheckpointReader.open(path), "model", saved.table)
            #expect(found == saved.values("model").map { $0.map(rounded) })
        }
    }

    /// Names, shapes, types and fixed values that do not fit are told, and nothing is left behind.
    @Test(arguments: [
        ("del t['blocks.0.mlp.fc1.bias']", "lacks blocks.0.mlp.fc1.bias"),
        ("t['extra'] = t['pos_embed']", "holds besides extra"),
        (
            "t['blocks.0.mlp.fc1.bias'] = t['blocks.0.mlp.fc1.bias'][1:]",
            "blocks.0.mlp.fc1.bias has shape [23], not [24]"
        ),
        ("t['blocks.0.mlp.fc1.bias'] = t['blocks.0.mlp.fc1.bias'].astype('f8')", "F64, where F32, F16 and BF16"),
        ("t['pos_embed'] = t['pos_embed'] * 1.01", "pos_embed holds other values"),
        ("t['pos_embed'] = t['pos_embed'] * np.float32('nan')", "pos_embed holds other values"),
        ("t = {k: v for k, v in t.items() if 'blocks' not in k}", "and 17 more"),
    ])
    func whatDoesNotFitIsRefused(change: String, says: String) throws {
        let saved = try SavedNetwork()
        try WeightsExport.write(saved.reader, weights: .model, to: saved.folder("good"), table: saved.table)
        let script = """
            import sys, numpy as np
            from safetensors.numpy import load_file, save_file
            t = load_file(sys.argv[1])
            \(change)
            save_file(t, sys.argv[2])
            """
        _ = try Peer.python(script, saved.folder("good"), saved.folder("bad"), needs: "safetensors")
        let (good, bad) = (try WeightsFile.open(saved.folder("good")), try WeightsFile.open(saved.folder("bad")))
        for (weights, average) in [(bad, nil), (good, bad)] {
            let error = try #require(throws: CheckpointError.self) {
                try WeightsImport.write(weights, average: average, job: saved.job, to: saved.folder("no"))
            }
            #expect(error.kind == .otherModel && error.path == bad.path && error.message.contains(says), "\(error)")
            #expect(!error.message.contains("\n"))
        }
        #expect(try !Files.exists(saved.folder("no")))
    }

    @Test func whatIsNotFiniteIsRefused() throws {
        let saved = try SavedNetwork()
        let table = saved.table
        let path = saved.folder("w")
        try SafeTensors.write(table.parameters.map { ($0.name, $0.shape) }, to: path) { name, append in
            let count = table.parameter(named: name)?.range.count ?? 0
            let value: Float = name == "x_embedder.proj.bias" ? .infinity : 0
            try [Float](repeating: value, count: count).withUnsafeBufferPointer(append)
        }
        let error = storageError {
            _ = try WeightsImport.write(WeightsFile.open(path), job: saved.job, to: saved.folder("no"))
        }
        #expect(error?.kind == .malformed && error?.message.contains("x_embedder.proj.bias") == true)
        #expect(try !Files.exists(saved.folder("no")))
    }

    /// Steps that there are none of count as not told.
    @Test(arguments: ["-5", "5.0", "", "99999999999999999999"]) func aStepThatCannotBeIsNone(step: String) throws {
        let saved = try SavedNetwork()
        let (table, path) = (saved.table, saved.folder("w"))
        try SafeTensors.write(table.parameters.map { ($0.name, $0.shape) }, metadata: ["step": step], to: path) {
            name, append in
            let zeros = [Float](repeating: 0, count: table.parameter(named: name)?.range.count ?? 0)
            try zeros.withUnsafeBufferPointer(append)
        }
        let made = try WeightsImport.write(WeightsFile.open(path), job: saved.job, to: saved.folder("new"))
        #expect(made == saved.folder("new/checkpoints/step-0000000"))
        #expect(try !Files.names(in: saved.folder.path).contains { $0.hasPrefix(".partial") })
    }

    @Test func anotherNetworkIsRefusedWhereShapesAgree() throws {
        let saved = try SavedNetwork()
        try WeightsExport.write(saved.reader, weights: .ema, to: saved.folder("w"), table: saved.table)
        let file = try WeightsFile.open(saved.folder("w"))
        var job = saved.job
        // What a DiT ignores makes no other network.
        (job.model.preDepth, job.sampling.iterations) = (7, 3)
        #expect(try WeightsImport.job(job, for: file) == job)
        job.model.heads = 4
        let failure = statedFailure { _ = try WeightsImport.job(job, for: file) }
        #expect(failure?.status == .badData)
        #expect(failure?.description.contains("model.heads is 2 there and 4 here") == true)
        // Where something is already, nothing is touched.
        let error = storageError { _ = try WeightsImport.write(file, job: saved.job, to: saved.folder("run")) }
        #expect(error?.kind == .exists)
        _ = try CheckpointReader.open(saved.reader.path)
    }
}
