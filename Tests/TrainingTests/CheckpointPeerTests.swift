import Compute
import Foundation
import Model
import Storage
import Testing

@testable import Training

/// Other programs read what we write.
@Suite struct CheckpointPeerTests {
    @Test func h5pyReadsThroughTheVirtualDataSetsWhereverTheFolderIs() throws {
        let fixture = try CheckpointFixture()
        let count = 101 * 6
        let tensors = ["model", "ema", "optimizer/m", "optimizer/v"].enumerated().map { number, group in
            fixture.tensor(group, "blocks.0.attn.qkv.weight", [101, 2, 3]) { Float($0 + number * count) }
        }
        let path = try CheckpointWriter.write(
            tensors, facts: CheckpointFixture.facts(step: 1000), run: fixture.run, writers: 3
        ) { _ in }
        let script = """
            import sys, h5py, numpy
            with h5py.File(sys.argv[1] + '/checkpoint.h5') as f:
                for number, group in enumerate(['model', 'ema', 'optimizer/m', 'optimizer/v']):
                    d = f[group]['blocks.0.attn.qkv.weight']
                    wanted = numpy.arange(606, dtype='f4').reshape(101, 2, 3) + 606 * number
                    print(d.is_virtual, d.dtype, numpy.array_equal(d[:], wanted), numpy.isnan(d.fillvalue))
                print(f.attrs['step'], f.attrs['world_size'], list(f.attrs['hosts']), len(f.attrs['job']) > 9)
            """
        let wanted =
            [String](repeating: "True float32 True True", count: 4).joined(separator: "\n")
            + "\n1000 3 ['node-1', 'node-2'] True"
        #expect(try CheckpointPeer.python(script, path, needs: "h5py") == wanted)
        let moved = fixture("elsewhere/copy")
        try AtomicFile.createDirectory(fixture("elsewhere"))
        try AtomicFile.rename(from: path, to: moved)
        #expect(try CheckpointPeer.python(script, moved, needs: "h5py") == wanted)
        let dump = try CheckpointPeer.h5dump("-d", "/model/blocks.0.attn.qkv.weight", "\(moved)/checkpoint.h5")
        #expect(dump.contains("(100,1,0): 603, 604, 605"))
        #expect(try CheckpointPeer.h5dump("-A", "\(moved)/rank-00001-of-00003.h5").contains("crc32c"))
        // The checksum of a piece is the one the RFC defines, of the bytes h5py reads.
        let crc = """
            import sys, h5py
            def crc32c(data):
                crc = 0xffffffff
                for byte in data:
                    crc ^= byte
                    for _ in range(8): crc = crc >> 1 ^ (0x82f63b78 if crc & 1 else 0)
                return crc ^ 0xffffffff
            with h5py.File(sys.argv[1]) as f:
                d = f['ema/blocks.0.attn.qkv.weight']
                print(crc32c(d[:].astype('<f4').tobytes()) == d.attrs['crc32c'], d.attrs['start_row'] > 0)
            """
        #expect(try CheckpointPeer.python(crc, "\(moved)/rank-00001-of-00003.h5", needs: "h5py") == "True True")
    }

    @Test(arguments: CheckpointExport.Weights.allCases) func safetensorsReadsAnExport(
        weights: CheckpointExport.Weights
    ) throws {
        let fixture = try CheckpointFixture()
        let job = try job(
            "model.width=16", "model.heads=2", "model.imageSize=8", "model.channels=1", "model.classes=3",
            "run.name=tiny", "model.fixedPoint=true")
        let table = ParameterTable(job.model)
        let tensors = ["model", "ema"].flatMap { group in
            table.parameters.map { parameter in
                fixture.tensor(group, parameter.name, parameter.shape) { i in
                    Float(parameter.slot.offset + i) * (group == "ema" ? -1 : 1) / 3
                }
            }
        }
        var facts = CheckpointFixture.facts(step: 42)
        facts.jobYAML = job.yaml()
        let reader = try CheckpointReader.open(try CheckpointWriter.write(tensors, facts: facts, run: fixture.run))
        #expect(try reader.job() == job)
        let output = fixture("weights.safetensors")
        try CheckpointExport.write(reader, weights: weights, to: output, table: table)
        let wanted = tensors.filter { $0.group == weights.rawValue }
        let script = """
            import sys, hashlib
            from safetensors import safe_open
            with safe_open(sys.argv[1], 'np') as f:
                print(sorted(f.metadata().items()))
                for name in sorted(f.keys()):
                    t = f.get_tensor(name)
                    print(name, list(t.shape), t.dtype, hashlib.sha256(t.tobytes()).hexdigest())
            """
        var lines = try CheckpointPeer.python(script, output, needs: "safetensors").split(separator: "\n").map(
            String.init)
        #expect(
            lines.removeFirst()
                == "[('format', 'pt'), ('job', 'tiny'), ('step', '42'), ('weights', '\(weights.rawValue)')]")
        #expect(lines.count == wanted.count + 1)
        let file = try SafeTensors.open(output)
        for tensor in wanted {
            #expect(lines.contains { $0.hasPrefix("\(tensor.name) \(tensor.shape) float32 ") }, "\(tensor.name)")
            #expect(try file.read(tensor.name) == tensor.values.array)
        }
        // Bits through Python, by way of a digest that numpy makes of a tensor too.
        let bytes = """
            import sys, numpy, hashlib
            print(hashlib.sha256((numpy.arange(int(sys.argv[1]), dtype='f4')).tobytes()).hexdigest())
            """
        #expect(try !CheckpointPeer.python(bytes, "4", needs: "numpy").isEmpty)
        #expect(lines.contains { $0.hasPrefix("pos_embed [1, 16, 16] float32 ") })
        #expect(try file.read("pos_embed") == Embeddings.positions(width: 16, side: 4))

        // Never over another file, and never of another network.
        let error = try #require(throws: StorageError.self) {
            try CheckpointExport.write(reader, weights: weights, to: output, table: table)
        }
        #expect(error.kind == .exists)
        let other = ParameterTable(try Self.wider(job).model)
        try checkpointFailure(.otherModel, naming: "has shape") {
            try CheckpointExport.write(reader, weights: weights, to: fixture("no"), table: other)
        }
        #expect(!Files.exists(fixture("no")))
    }

    private static func wider(_ job: JobConfiguration) throws -> JobConfiguration {
        var job = job
        job.model.width = 32
        return job
    }
}
