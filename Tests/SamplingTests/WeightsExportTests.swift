import Checkpoints
import Compute
import Foundation
import Jobs
import Model
import Sampling
import Storage
import TestSupport
import Testing

/// Other programs read what we export.
@Suite struct WeightsExportTests {
    @Test(arguments: SavedWeights.allCases) func safetensorsReadsAnExport(
        weights: SavedWeights
    ) throws {
        let folder = try TestFolder()
        var job = JobConfiguration()
        (job.run.directory, job.run.name, job.data.path) = ("runs/x", "tiny", "data/x")
        (job.model.width, job.model.heads, job.model.imageSize, job.model.channels) = (16, 2, 8, 1)
        (job.model.classes, job.model.fixedPoint) = (3, true)
        let memory = TestMemory()
        defer { withExtendedLifetime(memory) {} }
        let table = ParameterTable(job.model)
        let tensors = ["model", "ema"].flatMap { group in
            table.parameters.map { parameter in
                let values = (0..<parameter.range.count).map { i in
                    Float(parameter.range.lowerBound + i) * (group == "ema" ? -1 : 1) / 3
                }
                return CheckpointPiece(
                    group: group, name: parameter.name, shape: parameter.shape, values: memory.floats(values))
            }
        }
        let metadata = CheckpointMetadata(
            step: 42, jobYAML: job.yaml(), worldSize: 1, hosts: ["node"], version: "0.2")
        let reader = try CheckpointReader.open(
            try CheckpointWriter.write(tensors, metadata: metadata, run: folder("run")))
        #expect(try JobConfiguration.recorded(reader.metadata.jobYAML, in: reader.path) == job)
        let output = folder("weights.safetensors")
        try WeightsExport.write(reader, weights: weights, to: output, table: table)
        let wanted = tensors.filter { $0.extent.group == weights.rawValue }
        let script = """
            import sys, zlib
            from safetensors import safe_open
            with safe_open(sys.argv[1], 'np') as f:
                print(sorted(f.metadata().items()))
                for name in sorted(f.keys()):
                    t = f.get_tensor(name)
                    print(name, list(t.shape), t.dtype, zlib.crc32(t.tobytes()))
            """
        var lines = try Peer.python(script, output, needs: "safetensors").split(separator: "\n").map(
            String.init)
        #expect(
            lines.removeFirst()
                == "[('format', 'pt'), ('job', 'tiny'), ('step', '42'), ('weights', '\(weights.rawValue)')]")
        #expect(lines.count == wanted.count + 1)
        let file = try SafeTensors.open(output)
        for tensor in wanted {
            // The bits that the published library reads, by a checksum of another make than ours.
            let line = "\(tensor.extent.name) \(tensor.extent.shape) float32 \(Self.crc32(tensor.values))"
            #expect(lines.contains(line), "\(line)")
            #expect(try file.read(tensor.extent.name) == tensor.values.array)
        }
        #expect(lines.contains { $0.hasPrefix("pos_embed [1, 16, 16] float32 ") })
        #expect(try file.read("pos_embed") == Embeddings.positions(width: 16, side: 4))

        // Never over another file, and never of another network.
        let error = try #require(throws: StorageError.self) {
            try WeightsExport.write(reader, weights: weights, to: output, table: table)
        }
        #expect(error.kind == .exists)
        let other = ParameterTable(try Self.wider(job).model)
        let unlike = try #require(throws: CheckpointError.self) {
            try WeightsExport.write(reader, weights: weights, to: folder("no"), table: other)
        }
        #expect(unlike.kind == .otherModel && unlike.message.contains("has shape"))
        #expect(try !Files.exists(folder("no")))
    }

    private static func wider(_ job: JobConfiguration) throws -> JobConfiguration {
        var job = job
        job.model.width = 32
        return job
    }

    /// CRC-32 of ISO 3309, as zlib has it, bit by bit.
    private static func crc32(_ values: FloatBuffer) -> UInt32 {
        var crc: UInt32 = ~0
        for byte in UnsafeRawBufferPointer(values.readable) {
            crc ^= UInt32(byte)
            for _ in 0..<8 { crc = crc >> 1 ^ (crc & 1 == 1 ? 0xEDB8_8320 : 0) }
        }
        return ~crc
    }
}
