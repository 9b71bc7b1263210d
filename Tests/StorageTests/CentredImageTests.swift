import Foundation
import TestSupport
import Testing

@testable import Storage

/// Cutting and scaling to a side, against the published data loader's steps in Pillow.
@Suite struct CentredImageTests {
    /// Writes images of random sizes, and what Pillow makes of them; prints `NUMBER SIDE CHANNELS`.
    private static let script = """
        import sys
        import numpy as np
        from PIL import Image

        def centred(image, side):
            while min(image.size) >= 2 * side:
                image = image.resize(tuple(x // 2 for x in image.size), resample=Image.BOX)
            scale = side / min(image.size)
            image = image.resize(tuple(round(x * scale) for x in image.size), resample=Image.BICUBIC)
            left, top = (image.width - side) // 2, (image.height - side) // 2
            return image.crop((left, top, left + side, top + side))

        folder = sys.argv[1]
        rng = np.random.default_rng(5)
        for number in range(60):
            side = int(rng.choice([1, 7, 16, 32, 45, 64]))
            # From much smaller to much larger, nearly square to long.
            short = max(1, int(side * rng.uniform(0.2, 9) if number % 3 else side * 2 ** rng.integers(0, 3)))
            long = int(short * rng.uniform(1, 3))
            shape = (short, long) if number % 2 else (long, short)
            channels = 1 if number % 4 == 1 else 3
            # Noise, and edges from black to white, at which cubic convolution overshoots.
            values = rng.integers(0, 256, shape + (channels,), dtype=np.uint8)
            if number % 5 == 0: values = (values > 127).astype(np.uint8) * 255
            image = Image.fromarray(values[..., 0] if channels == 1 else values)
            image.save(f'{folder}/{number}.png')
            np.asarray(centred(image, side)).tofile(f'{folder}/{number}.raw')
            np.asarray(image.convert('L')).tofile(f'{folder}/{number}.grey')
            print(number, side, channels)
        """

    @Test func asPillowDoesIt() throws {
        let folder = try TestFolder()
        for line in try Peer.python(Self.script, folder.path, needs: "PIL").split(separator: "\n") {
            let words = line.split(separator: " ").compactMap { Int($0) }
            let image = try ByteImage.read(folder("\(words[0]).png"))
            let wanted = try Files.read(folder("\(words[0]).raw"))
            let found = image.centred(side: words[1])
            #expect(found.width == words[1] && found.height == words[1] && found.channels == words[2])
            try #require(found.pixels.count == wanted.count)
            let difference = zip(found.pixels, wanted).map { abs(Int($0) - Int($1)) }.max() ?? 0
            #expect(difference == 0, "image \(line), \(image.width) x \(image.height)")
            #expect(try image.grey.pixels == Files.read(folder("\(words[0]).grey")), "image \(line)")
        }
    }

    /// What is compared above can tell another filter from the right one.
    @Test func filtersDiffer() {
        let image = ByteImage(width: 9, height: 9, channels: 1, pixels: (0..<81).map { UInt8($0 * $0 % 251) })
        let cubic = image.resized(width: 5, height: 5, .bicubic)
        let box = image.resized(width: 5, height: 5, .box)
        #expect(zip(cubic.pixels, box.pixels).contains { abs(Int($0) - Int($1)) > 5 })
        // A side that it has already changes nothing.
        #expect(image.centred(side: 9) == image)
    }
}
