import Foundation
import TestSupport
import Testing

@testable import Storage

/// PNG files of all kinds that Pillow writes, or that are put together by hand: their values as Pillow reads them, or
/// refused.
@Suite struct PNGPeerTests {
    /// Writes the files, and for each a line `NAME MODE WIDTH HEIGHT VALUE ...` with the values that Pillow reads.
    private static let script = """
        import struct, sys, zlib
        import numpy as np
        from PIL import Image, PngImagePlugin

        folder = sys.argv[1]
        rng = np.random.default_rng(3)
        def values(*shape, high=256): return rng.integers(0, high, shape, dtype=np.uint8)
        def extra(*chunks):
            info = PngImagePlugin.PngInfo()
            for name, data in chunks: info.add(name, data)
            return info
        def save(name, image, *chunks, **options):
            image.save(f'{folder}/{name}.png', pnginfo=extra(*chunks), **options)

        grey, colour = values(5, 7), values(5, 7, 3)
        gamma = lambda g: (b'gAMA', struct.pack('>I', int(g * 100000)))
        srgb = (b'sRGB', b'\\0')
        white = (b'cHRM', struct.pack('>8I', 31270, 32900, 64000, 33000, 30000, 60000, 15000, 6000))
        for name, data in (('grey', grey), ('colour', colour)):
            image = Image.fromarray(data)
            save(name, image)
            for g in (1.0, 0.45455, 0.25): save(f'{name}-gamma-{g}', image, gamma(g))
            save(f'{name}-srgb', image, srgb, gamma(0.45455))
            save(f'{name}-srgb-odd', image, srgb, gamma(1.0))
            save(f'{name}-primaries', image, white, gamma(0.5))
            save(f'{name}-profile', image, icc_profile=b'no profile at all')
        save('bits-1', Image.fromarray(values(9, 11, high=2) * 255).convert('1'))
        palette = Image.fromarray(values(5, 7, high=16), 'P')
        palette.putpalette(values(48).tobytes())
        save('palette', palette)
        for bits in (1, 2, 4):
            few = Image.fromarray(values(6, 5, high=1 << bits), 'P')
            few.putpalette(values(3 << bits).tobytes())
            save(f'palette-{bits}', few, bits=bits)
        save('palette-gamma', palette, gamma(1.0))
        opaque = np.full((5, 7, 1), 255, np.uint8)
        save('opaque-colour', Image.fromarray(np.concatenate([colour, opaque], 2)))
        save('opaque-grey', Image.fromarray(np.concatenate([grey[..., None], opaque], 2), 'LA'))
        save('opaque-gamma', Image.fromarray(np.concatenate([colour, opaque], 2)), gamma(1.0))
        save('key-unused', Image.fromarray(np.where(grey == 9, 8, grey)), transparency=9)

        # Transparent somewhere.
        half = opaque.copy(); half[3, 2] = 128
        save('refused-colour-alpha', Image.fromarray(np.concatenate([colour, half], 2)))
        save('refused-grey-alpha', Image.fromarray(np.concatenate([grey[..., None], half], 2), 'LA'))
        save('refused-grey-key', Image.fromarray(grey), transparency=int(grey[3, 2]))
        save('refused-colour-key', Image.fromarray(colour), transparency=tuple(int(v) for v in colour[3, 2]))
        save('refused-palette-alpha', palette, transparency=bytes([0] * 16))
        # 16 bits.
        save('refused-bits-16', Image.fromarray(rng.integers(0, 65536, (5, 7), dtype=np.uint16)))

        # What Pillow does not write: fewer bits of grey, interlaced rows, 16 bits of colour.
        def chunk(name, data): return struct.pack('>I', len(data)) + name + data + struct.pack('>I', zlib.crc32(name + data))
        def by_hand(name, width, height, bits, kind, rows, interlaced=0, *chunks):
            with open(f'{folder}/{name}.png', 'wb') as f:
                f.write(b'\\x89PNG\\r\\n\\x1a\\n' + chunk(b'IHDR', struct.pack('>2I5B', width, height, bits, kind, 0, 0, interlaced)))
                for c in chunks: f.write(chunk(*c))
                f.write(chunk(b'IDAT', zlib.compress(b''.join(b'\\0' + r for r in rows))) + chunk(b'IEND', b''))
        for bits in (2, 4):
            data = values(5, 7, high=1 << bits)
            padded = np.zeros((5, 8), np.uint8); padded[:, :7] = data
            per = 8 // bits
            rows = [bytes(sum(int(r[i + k]) << (8 - bits * (k + 1)) for k in range(per)) for i in range(0, 8, per)) for r in padded]
            by_hand(f'bits-{bits}', 7, 5, bits, 0, rows)
            by_hand(f'bits-{bits}-gamma', 7, 5, bits, 0, rows, 0, gamma(1.0))
        rows = []
        for y0, x0, dy, dx in ((0,0,8,8), (0,4,8,8), (4,0,8,4), (0,2,4,4), (2,0,4,2), (0,1,2,2), (1,0,2,1)):
            part = colour[y0::dy, x0::dx]
            if part.size: rows += [r.tobytes() for r in part]
        by_hand('interlaced', 7, 5, 8, 2, rows, 1)
        wide = rng.integers(0, 65536, (5, 7, 3)).astype('>u2')
        by_hand('refused-colour-16', 7, 5, 16, 2, [r.tobytes() for r in wide])

        import os
        for name in sorted(os.listdir(folder)):
            image = Image.open(f'{folder}/{name}')
            kind = 'L' if image.mode in ('1', 'L', 'LA', 'I', 'I;16') else 'RGB'
            read = image.convert(kind)
            print(name, kind, read.width, read.height, *np.asarray(read).flatten())
        """

    @Test func asPillowReadsThem() throws {
        let folder = try TestFolder()
        let lines = try Peer.python(Self.script, folder.path, needs: "PIL").split(separator: "\n")
        #expect(lines.count >= 35)
        var refused: [String: String] = [:]
        for line in lines {
            let words = line.split(separator: " ")
            let name = String(words[0])
            if name.hasPrefix("refused-") {
                let error = storageError { _ = try PNGImage.read(folder(name)) }
                #expect(error?.kind == .malformed && error?.path == folder(name), "\(name)")
                refused[name] = error?.message
                continue
            }
            let image = try PNGImage.read(folder(name))
            #expect(image.channels == (words[1] == "L" ? 1 : 3), "\(name)")
            #expect(image.width == Int(words[2]) && image.height == Int(words[3]), "\(name)")
            #expect(image.pixels == words[4...].compactMap { UInt8($0) }, "\(name)")
        }
        #expect(refused.count == 7)
        for (name, message) in refused {
            let wanted = name.contains("16") ? "has 16 bits a channel" : "is transparent in places, as at row"
            #expect(message.hasPrefix(wanted) && message.contains("mogrify"), "\(name): \(message)")
        }
        #expect(refused["refused-grey-key.png"]?.contains("at row ") == true)
    }
}
