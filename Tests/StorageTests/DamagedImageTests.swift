import Foundation
import TestSupport
import Testing

@testable import Storage

/// Images that were cut short or have flipped bits: an error or an image, never a crash.
@Suite struct DamagedImageTests {
    private static let script = """
        import sys
        import numpy as np
        from PIL import Image

        folder = sys.argv[1]
        rng = np.random.default_rng(9)
        values = rng.integers(0, 256, (24, 20, 4), dtype=np.uint8)
        photo = Image.fromarray(values[..., :3])
        exif = Image.Exif(); exif[274] = 6
        photo.save(f'{folder}/a.jpg', exif=exif)
        photo.save(f'{folder}/b.jpg', progressive=True, subsampling=2)
        Image.fromarray(values, 'CMYK').save(f'{folder}/c.jpg')
        photo.convert('L').save(f'{folder}/d.jpg', restart_marker_rows=1)
        photo.save(f'{folder}/a.png', exif=exif)
        photo.quantize(200).save(f'{folder}/b.png', transparency=3)
        Image.fromarray(values).save(f'{folder}/c.png')
        """

    @Test func anErrorOrAnImage() throws {
        let folder = try TestFolder()
        _ = try Peer.python(Self.script, folder.path, needs: "PIL")
        var refused = 0
        for name in try Files.names(in: folder.path) {
            let sound = try Files.read(folder(name))
            let image = try ByteImage.read(folder(name))
            func read(_ bytes: [UInt8]) throws -> ByteImage? {
                try AtomicFile.write(bytes, to: folder("damaged"))
                do {
                    return try ByteImage.read(folder("damaged"))
                } catch let error as StorageError {
                    #expect(error.kind == .malformed && error.path == folder("damaged"))
                    #expect(!error.message.contains("\n"), "errors are one line: \(error.message)")
                    refused += 1
                    return nil
                }
            }
            for length in stride(from: 0, to: sound.count - 2, by: max(sound.count / 60, 1)) {
                #expect(try read(Array(sound[..<length])) == nil, "\(name) cut to \(length) bytes")
            }
            var state: UInt64 = 7
            for _ in 0..<150 {
                var bytes = sound
                for _ in 0..<2 {
                    state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
                    bytes[Int(state >> 33) % bytes.count] ^= UInt8(1 << (state >> 61))
                }
                // PNG files have a checksum over all that says what they show; JPEG files may show something else.
                if let found = try read(bytes), name.hasSuffix(".png") { #expect(found == image, "\(name)") }
            }
        }
        #expect(refused > 500)
    }

    @Test func whatIsNoImage() throws {
        let folder = try TestFolder()
        for (text, message) in [("", "is empty"), ("GIF89a", "neither a PNG nor a JPEG"), ("<html>", "neither a PNG")] {
            try AtomicFile.write(text, to: folder("x.png"))
            let error = try failure { _ = try ByteImage.read(folder("x.png")) }
            #expect(error.kind == .malformed && error.message.contains(message))
        }
        #expect(try failure { _ = try ByteImage.read(folder("none.jpg")) }.kind == .missing)
    }
}
