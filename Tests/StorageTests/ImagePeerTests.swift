import Foundation
import TestSupport
import Testing

@testable import Storage

/// PNG and JPEG files of all kinds that Pillow writes, or that are put together by hand: their values as Pillow reads them.
@Suite struct ImagePeerTests {
    /// Writes the files, and for each a line `NAME MODE WIDTH HEIGHT VALUE ...` with the values that Pillow reads.
    private static let script = """
        import struct, sys, zlib
        import numpy as np
        from PIL import Image, ImageOps, PngImagePlugin

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

        # Transparent somewhere: opacity is left out.
        half = opaque.copy(); half[3, 2] = 128
        save('alpha-colour', Image.fromarray(np.concatenate([colour, half], 2)))
        save('alpha-grey', Image.fromarray(np.concatenate([grey[..., None], half], 2), 'LA'))
        save('key-grey', Image.fromarray(grey), transparency=int(grey[3, 2]))
        save('key-colour', Image.fromarray(colour), transparency=tuple(int(v) for v in colour[3, 2]))
        save('alpha-palette', palette, transparency=bytes([0] * 16))
        # 16 bits.
        deep = rng.integers(0, 65536, (5, 7), dtype=np.uint16)
        save('grey-16', Image.fromarray(deep))

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
        by_hand('colour-16', 7, 5, 16, 2, [r.tobytes() for r in wide])

        # JPEG, smooth enough to be like a picture, of sides that are no multiples of 8 or 16.
        y, x = np.mgrid[:21, :27]
        smooth = np.stack([(np.sin(x / 5 + k) * np.cos(y / (3 + k)) + 1) * 127 for k in range(4)], 2).astype(np.uint8)
        photo = Image.fromarray(smooth[..., :3])
        def jpeg(name, image, **options): image.save(f'{folder}/{name}.jpg', **options)
        jpeg('grey', photo.convert('L'))
        for sampling in (0, 1, 2): jpeg(f'colour-{sampling}', photo, subsampling=sampling, quality=70)
        jpeg('progressive', photo, progressive=True)
        jpeg('profile', photo, icc_profile=b'no profile at all')
        jpeg('inks', Image.fromarray(smooth, 'CMYK'))
        photo.save(f'{folder}/png-by-content.jpg', 'PNG')
        for turn in range(0, 10):
            exif = Image.Exif(); exif[274] = turn; exif[272] = 'A camera'
            jpeg(f'turned-{turn}', photo, exif=exif)
            save(f'turned-{turn}', photo, exif=exif)
        # A number of 4 bytes, of either order.
        jpeg('turned-long', photo, exif=b'Exif\\0\\0MM\\0*\\0\\0\\0\\x08\\0\\x01\\x01\\x12\\0\\x04\\0\\0\\0\\x01\\0\\0\\0\\x06' + bytes(4))
        jpeg('turned-long-little', photo, exif=b'Exif\\0\\0II*\\0\\x08\\0\\0\\0\\x01\\0\\x12\\x01\\x04\\0\\x01\\0\\0\\0\\x08\\0\\0\\0' + bytes(4))
        jpeg('no-exif', photo, exif=b'Exif\\0\\0MM\\0*\\0\\0')

        jpeg('plain', photo)

        import os
        for name in sorted(os.listdir(folder)):
            # Pillow does not open what has a damaged EXIF segment, which says nothing of the image.
            image = Image.open(f'{folder}/{name}' if name != 'no-exif.jpg' else f'{folder}/plain.jpg')
            kind = 'L' if image.mode in ('1', 'L', 'LA', 'I', 'I;16') else 'RGB'
            if name == 'grey-16.png': read = Image.fromarray((deep >> 8).astype(np.uint8))
            else: read = ImageOps.exif_transpose(image).convert(kind)
            print(name, kind, read.width, read.height, *np.asarray(read).flatten())
        """

    @Test func asPillowReadsThem() throws {
        let folder = try TestFolder()
        let lines = try Peer.python(Self.script, folder.path, needs: "PIL").split(separator: "\n")
        #expect(lines.count >= 70)
        for line in lines {
            let words = line.split(separator: " ")
            let name = String(words[0])
            let image = try ByteImage.read(folder(name))
            #expect(image.channels == (words[1] == "L" ? 1 : 3), "\(name)")
            #expect(image.width == Int(words[2]) && image.height == Int(words[3]), "\(name)")
            #expect(image.pixels == words[4...].compactMap { UInt8($0) }, "\(name)")
        }
    }
}
