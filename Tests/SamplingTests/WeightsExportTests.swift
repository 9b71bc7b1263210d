import Checkpoints
import Compute
import Foundation
import Model
import Reporting
import Sampling
import Storage
import TestSupport
import Testing

/// Other programs read what we export.
@Suite struct WeightsExportTests {
    @Test(arguments: SavedWeights.allCases) func safetensorsReadsAnExport(
        weights: SavedWeights
    ) throws {
        let saved = try SavedNetwork {
            ($0.width, $0.imageSize, $0.channels, $0.fixedPoint) = (16, 8, 1, true)
        }
        let (folder, reader, table) = (saved.folder, saved.reader, saved.table)
        let output = folder("weights.safetensors")
        try WeightsExport.write(reader, weights: weights, to: output, table: table)
        let wanted = saved.tensors.filter { $0.extent.group == weights.rawValue }
        let script = """
            import sys, zlib
            from safetensors import safe_open
            with safe_open(sys.argv[1], 'np') as f:
                print([(k, v) for k, v in sorted(f.metadata().items()) if k != 'job'])
                print(f.metadata()['job'] == open(sys.argv[2]).read())
                for name in sorted(f.keys()):
                    t = f.get_tensor(name)
                    print(name, list(t.shape), t.dtype, zlib.crc32(t.tobytes()))
            """
        try AtomicFile.write(saved.job.yaml(), to: folder("job.yaml"))
        var lines = try Peer.python(script, output, folder("job.yaml"), needs: "safetensors").split(separator: "\n")
            .map(
                String.init)
        #expect(
            lines.removeFirst()
                == "[('format', 'pt'), ('labelNames', '[\"x\",\"y\",\"z\"]'), ('name', 'tiny'), ('step', '42'), "
                + "('version', '\(ProgramVersion.current)'), ('weights', '\(weights.rawValue)')]")
        #expect(lines.removeFirst() == "True")
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
        let other = ParameterTable(
            tinyModel { ($0.width, $0.imageSize, $0.channels, $0.fixedPoint) = (32, 8, 1, true) })
        let unlike = try #require(throws: CheckpointError.self) {
            try WeightsExport.write(reader, weights: weights, to: folder("no"), table: other)
        }
        #expect(unlike.kind == .otherModel && unlike.message.contains("has shape"))
        #expect(try !Files.exists(folder("no")))
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
