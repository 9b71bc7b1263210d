import Compute
import Foundation
import Storage
import TestSupport
import Testing

@testable import Checkpoints

/// Other programs read what we write.
@Suite struct CheckpointPeerTests {
    @Test func h5pyReadsThroughTheVirtualDataSetsWhereverTheFolderIs() throws {
        let fixture = try CheckpointFixture()
        let count = 101 * 6
        let tensors = ["model", "ema", "optimizer/m", "optimizer/v"].enumerated().map { number, group in
            fixture.tensor(group, "blocks.0.attn.qkv.weight", [101, 2, 3]) { Float($0 + number * count) }
        }
        // Values whose bits a copy through arithmetic would lose.
        let odd = [0x7fc0_1234, 0xffa0_0001, 0x8000_0000, 0x7f80_0000, 1, 0x3f80_0001].map { Float(bitPattern: $0) }
        let oddTensor = fixture.tensor("model", "odd", [6, 1]) { odd[$0] }
        let path = try CheckpointWriter.write(
            fixture.cut(tensors + [oddTensor], writers: 3), metadata: CheckpointFixture.metadata(step: 1000),
            run: fixture.run
        ) { _ in }
        let script = """
            import sys, h5py, numpy
            with h5py.File(sys.argv[1] + '/checkpoint.h5') as f:
                for number, group in enumerate(['model', 'ema', 'optimizer/m', 'optimizer/v']):
                    d = f[group]['blocks.0.attn.qkv.weight']
                    wanted = numpy.arange(606, dtype='f4').reshape(101, 2, 3) + 606 * number
                    print(d.is_virtual, d.dtype, numpy.array_equal(d[:], wanted), numpy.isnan(d.fillvalue))
                print(*(hex(bits) for bits in f['model/odd'][:, 0].view('u4')))
                print(f.attrs['step'], f.attrs['world_size'], list(f.attrs['hosts']), f.attrs['job'].split()[0])
                print(f.attrs['updates'], list(map(int, f.attrs['grids'][:2])), f.attrs['dataset'], f.attrs['changes'])
            """
        let wanted =
            [String](repeating: "True float32 True True", count: 4).joined(separator: "\n")
            + "\n0x7fc01234 0xffa00001 0x80000000 0x7f800000 0x1 0x3f800001"
            + "\n1000 3 ['node-1', 'node-2'] run:\n999 [-149, 3] digits 5f0c [{\"step\": 3}]"
        #expect(try Peer.python(script, path, needs: "h5py") == wanted)
        let moved = fixture("elsewhere/copy")
        try AtomicFile.createDirectory(fixture("elsewhere"))
        try AtomicFile.rename(from: path, to: moved)
        #expect(try Peer.python(script, moved, needs: "h5py") == wanted)
        let dump = try Peer.h5dump("-d", "/model/blocks.0.attn.qkv.weight", "\(moved)/checkpoint.h5")
        #expect(dump.contains("(100,1,0): 603, 604, 605"))
        #expect(try Peer.h5dump("-A", "\(moved)/rank-00001-of-00003.h5").contains("crc32c"))
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
        #expect(try Peer.python(crc, "\(moved)/rank-00001-of-00003.h5", needs: "h5py") == "True True")
    }
}
