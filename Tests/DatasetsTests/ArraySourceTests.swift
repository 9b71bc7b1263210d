import Foundation
import Storage
import TestSupport
import Testing

@testable import Datasets

/// Arrays that NumPy and h5py write, in every layout and type: the samples that they read.
@Suite struct ArraySourceTests {
    let folder: TestFolder

    init() throws { folder = try TestFolder() }

    /// Writes files, and for each prints `FILE IMAGES LABELS EXPECTED`: what to ask for (`-`: nothing), and the name of
    /// what is expected: EXPECTED.images as float32 [N, C, H, W], EXPECTED.labels as float32.
    private static let script = """
        import sys
        import h5py
        import numpy as np

        folder = sys.argv[1]
        rng = np.random.default_rng(2)
        N = 23
        labels = rng.integers(0, 9, N)
        count = 0
        def case(file, images, expected, y=labels, name='-', label='-'):
            global count
            count += 1
            np.ascontiguousarray(expected, dtype=np.float32).tofile(f'{folder}/{count}.images')
            if y is not None: np.ascontiguousarray(y, dtype=np.float32).tofile(f'{folder}/{count}.labels')
            print(file, name, label, count)
        def numbers(dtype, *shape):
            if np.dtype(dtype).kind == 'f': return rng.normal(0, 2, shape).astype(dtype)
            return rng.integers(0, 120, shape).astype(dtype)
        np.save(f'{folder}/y.npy', labels)
        # Types, byte orders, and the order of Fortran.
        for dtype in ('u1', 'i1', '<u2', '>u2', '<i2', '<i4', '>i4', '<u4', '<i8', '<u8', '<f2', '<f4', '>f4', '<f8', '>f8', '?'):
            x = numbers('u1', N, 3, 4, 4) % 2 == 1 if dtype == '?' else numbers(dtype, N, 3, 4, 4)
            file = 'x' + np.dtype(dtype).str.strip('<|').replace('>', 'big-')
            np.save(f'{folder}/{file}.npy', x)
            case(f'{file}.npy', x, x, label=f'{folder}/y.npy')
            np.save(f'{folder}/{file}-fortran.npy', np.asfortranarray(x))
            case(f'{file}-fortran.npy', x, x, None)
            with h5py.File(f'{folder}/{file}.h5', 'w') as f:
                if dtype != '?':
                    f['images'], f['labels'] = x, labels.astype('>i2')
                    case(f'{file}.h5', x, x)
        last = numbers('u1', N, 4, 4, 3)
        grey = numbers('f4', N, 5, 5)
        vectors = rng.normal(0, 1, (N, 7))
        # Archives, stored and deflated, with names and without.
        np.savez(f'{folder}/stored.npz', images=last, labels=labels.reshape(-1, 1))
        case('stored.npz', last, last.transpose(0, 3, 1, 2))
        np.savez_compressed(f'{folder}/deflated.npz', last, labels)
        case('deflated.npz', last, last.transpose(0, 3, 1, 2))
        np.savez_compressed(f'{folder}/vectors.npz', pictures=grey, embedding=vectors)
        case('vectors.npz', grey, grey, vectors, name='pictures', label='embedding')
        case('vectors.npz', grey, grey, None, label='none')
        # HDF5: contiguous, chunked across samples and dimensions, compressed, checksummed, extensible, compact, virtual.
        latents = numbers('f4', N, 4, 6, 6)
        with h5py.File(f'{folder}/layouts.h5', 'w') as f:
            for name, options in (('plain', {}), ('chunks', dict(chunks=(5, 2, 3, 6))),
                                  ('gzip', dict(chunks=(4, 4, 6, 6), compression='gzip', shuffle=True)),
                                  ('sums', dict(chunks=(N, 1, 6, 2), fletcher32=True)),
                                  ('growing', dict(maxshape=(None, 4, 6, 6))),
                                  ('lzf', dict(chunks=(5, 4, 6, 6), compression='lzf')),
                                  ('lzf-sums', dict(chunks=(4, 2, 6, 3), compression='lzf', shuffle=True, fletcher32=True)),
                                  ('rounded', dict(chunks=(8, 4, 6, 6), scaleoffset=4))):
                f.create_dataset(f'in/{name}', data=latents, **options)
                case('layouts.h5', latents, f[f'in/{name}'][:], None, name=f'in/{name}')
            # Bytes that pack well: copies of every length and distance, some of them into themselves.
            steps = np.repeat(rng.integers(0, 120, 4000), rng.integers(1, 700, 4000))[:N * 3 * 64 * 64].astype('f4')
            steps = np.resize(np.tile(steps, 2), (N, 3, 64, 64))
            f.create_dataset('in/steps', data=steps, chunks=(1, 3, 64, 64), compression='lzf')
            case('layouts.h5', steps, steps, None, name='in/steps')
            # Links may lead back.
            f['in/self'], f['in/above'] = f['in'], f['/']
            f['deep/er/y'] = vectors
            case('layouts.h5', latents, latents, vectors, name='/in/plain', label='deep/er/y')
        layout = h5py.VirtualLayout((N, 4, 6, 6), 'f4')
        layout[:] = h5py.VirtualSource(f'{folder}/layouts.h5', 'in/gzip', (N, 4, 6, 6))
        lost = h5py.VirtualLayout((N, 4, 6, 6), 'f4')
        lost[:] = h5py.VirtualSource('gone.h5', 'x', (N, 4, 6, 6))
        with h5py.File(f'{folder}/virtual.hdf5', 'w') as f:
            f.create_virtual_dataset('latents', layout)
            f.create_virtual_dataset('lost', lost)
            f['bools'] = latents > 0
            f['text'] = ['a'] * N
        case('virtual.hdf5', latents, latents, None)
        """

    @Test func asNumPyAndH5pyReadThem() throws {
        let lines = try Peer.python(Self.script, folder.path).split(separator: "\n")
        #expect(lines.count == 62)
        for line in lines {
            let words = line.split(separator: " ").map(String.init)
            let name = words[1] == "-" ? nil : words[1]
            let labels = words[2] == "-" ? nil : words[2]
            let isByte = words[0].hasPrefix("xu1") || words[0].hasSuffix("d.npz")
            let source = try ArraySource(
                path: folder(words[0]), images: name, labels: labels,
                ArrayMeaning(content: isByte ? nil : "latents"))
            let images = try floats("\(words[3]).images")
            let hasLabels = try Files.exists(folder("\(words[3]).labels"))
            let wanted = hasLabels ? try floats("\(words[3]).labels") : []
            #expect(source.count == 23 && source.type == (isByte ? .uint8 : .float32), "\(line)")
            #expect(source.content == (isByte ? "pixels" : "latents"))
            // Also in an order in which nothing is where it was looked for last.
            for index in stride(from: 0, to: 23 * 5, by: 5).map({ $0 % 23 }) {
                let sample = try source.sample(at: index)
                let width = images.count / 23
                let expected = Array(images[index * width..<(index + 1) * width])
                #expect(sample.values.floats == expected, "\(line), sample \(index)")
                switch sample.label {
                case .none: #expect(!hasLabels, "\(line)")
                case .class(let value): #expect(Float(value) == wanted[index] && wanted.count == 23, "\(line)")
                case .vector(let vector): #expect(vector == Array(wanted[index * 7..<index * 7 + 7]), "\(line)")
                }
            }
        }
        try wrong()
    }

    private func floats(_ name: String) throws -> [Float] {
        try Files.read(folder(name)).withUnsafeBytes { Array($0.bindMemory(to: Float.self)) }
    }

    private func wrong() throws {
        func refusal(
            _ file: String, _ images: String? = nil, labels: String? = nil, _ meaning: ArrayMeaning = .init(),
            sample: Int? = nil
        ) throws -> (kind: DatasetTrouble?, file: String, message: String) {
            try dataFailure {
                let source = try ArraySource(path: folder(file), images: images, labels: labels, meaning)
                if let sample { _ = try source.sample(at: sample) }
            }
        }
        #expect(try refusal("virtual.hdf5", "lost").file == folder("gone.h5"))
        #expect(try refusal("virtual.hdf5", "bools").message.contains("bool"))
        #expect(try refusal("virtual.hdf5", "text").message.contains("not numbers"))
        #expect(try refusal("virtual.hdf5", "other").kind == .missing)
        #expect(try refusal("layouts.h5").message.contains("say with --images"))
        #expect(try refusal("stored.npz", labels: "nothing").message.contains("no array \"nothing\""))
        #expect(try refusal("stored.npz", "other").message.contains("holds images, labels"))
        #expect(try refusal("stored.npz", "labels").message.contains("has shape [23, 1]"))
        // Numbers that are no bytes: what they mean has to be told, and holds. So of yes and no.
        #expect(try refusal("xb1.npy").message.contains("--value-range"))
        let masks = try ArraySource(path: folder("xb1.npy"), ArrayMeaning(valueRange: 0...1))
        #expect(masks.type == .float32 && masks.scaling == (2, -1))
        #expect(try refusal("xf4.npy").message.contains("--value-range"))
        let range = try refusal("xi4.npy", nil, ArrayMeaning(valueRange: 0...9), sample: 0)
        #expect(range.message.contains("beyond 0.0 to 9.0") && range.file.hasSuffix("xi4.npy, sample 0"))
        #expect(try refusal("xu1.npy", nil, ArrayMeaning(scale: 2)).message.contains("--scale is for latents"))
        #expect(
            try refusal("xf4.npy", nil, ArrayMeaning(content: "latents", valueRange: 0...1)).message.contains(
                "for pixels"))
        #expect(try refusal("xf4.npy", nil, ArrayMeaning(content: "latents", side: 2)).message.contains("only bytes"))
        #expect(try refusal("xu1.npy", nil, ArrayMeaning(labelNames: ["a"])).message.contains("no classes"))
        #expect(
            try refusal("stored.npz", nil, ArrayMeaning(labelNames: ["a"])).message.contains(
                "1 label names, but there is"))
        let scaled = try ArraySource(path: folder("xf4.npy"), ArrayMeaning(content: "latents", scale: 0.25))
        #expect(scaled.scaling == (0.25, 0))
        #expect(try refusal("xf4.npy", nil, ArrayMeaning(content: "moments")).message.contains("give --scale"))
        let moments = try ArraySource(path: folder("xf4.npy"), ArrayMeaning(content: "moments", scale: 0.25))
        #expect(moments.scaling == (1, 0) && moments.latents?.scale == 0.25 && scaled.latents == nil)
        let pixels = try ArraySource(path: folder("xi2.npy"), ArrayMeaning(valueRange: 0...200))
        #expect(pixels.content == "pixels" && pixels.type == .float32 && pixels.scaling == (0.01, -1))
    }

    @Test func whatIsDamagedIsRefused() throws {
        _ = try Peer.python(
            """
            import numpy as np
            x = np.arange(4 * 3 * 8 * 8, dtype=np.uint8).reshape(4, 3, 8, 8)
            np.save('a.npy', x)
            np.savez('b.npz', images=x)
            np.savez_compressed('c.npz', images=x)
            np.save('objects.npy', np.array([{}, 1], dtype=object), allow_pickle=True)
            np.save('fields.npy', np.zeros(3, dtype=[('a', 'f4'), ('b', 'i4')]))
            np.save('odd.npy', np.zeros((2, 3, 3, 3), np.uint8))
            np.save('flat.npy', np.zeros((2, 9), np.uint8))
            """, in: folder.path)
        for name in ["a.npy", "b.npz", "c.npz"] {
            let sound = try Files.read(folder(name))
            for length in stride(from: 0, to: sound.count, by: max(sound.count / 40, 1)) {
                try AtomicFile.write(Array(sound[..<length]), to: folder("cut-\(name)"))
                let error = try dataFailure { _ = try ArraySource(path: folder("cut-\(name)")) }
                #expect(error.kind == .malformed && error.file.hasPrefix(folder("cut-\(name)")))
            }
            // Of an archive a flipped bit is found, or does not matter; never a crash, and never other values.
            let values = try ArraySource(path: folder(name)).sample(at: 2).values
            for place in stride(from: 0, to: sound.count, by: 7) {
                var bytes = sound
                bytes[place] ^= UInt8(1 << (place % 8))
                try AtomicFile.write(bytes, to: folder("flipped-\(name)"))
                let found = try? ArraySource(path: folder("flipped-\(name)"))
                if let found, found.count == 4, name != "a.npy" {
                    #expect(try found.sample(at: 2).values == values, "byte \(place) of \(name)")
                }
            }
        }
        for (name, message) in [
            ("objects", "not plain numbers"), ("fields", "not plain numbers"), ("odd", "give --order"),
            ("flat", "has shape [2, 9]"),
        ] {
            let error = try dataFailure { _ = try ArraySource(path: folder("\(name).npy")) }
            #expect(error.message.contains(message), "\(error.message)")
        }
    }

    /// Images that are no squares are cut to their middle, in either order of dimensions.
    @Test func bytesAreCutAndScaled() throws {
        _ = try Peer.python(
            """
            import numpy as np
            x = np.random.default_rng(0).integers(0, 256, (2, 9, 13, 3), dtype=np.uint8)
            np.save('last.npy', x)
            np.save('first.npy', x.transpose(0, 3, 1, 2))
            """, needs: "numpy", in: folder.path)
        let stored = try Files.read(folder("last.npy")).suffix(9 * 13 * 3)
        let wanted = ByteImage(width: 13, height: 9, channels: 3, pixels: Array(stored)).centred(side: 4)
        for name in ["last", "first"] {
            let source = try ArraySource(path: folder("\(name).npy"), ArrayMeaning(side: 4))
            #expect(try source.sample(at: 1).values == .bytes(wanted.planes(3)), "\(name)")
            #expect(source.side == 4 && source.channels == 3)
            #expect(try dataFailure { _ = try ArraySource(path: folder("\(name).npy")) }.message.contains("--side"))
        }
    }
}

extension PackedSample.Values {
    fileprivate var floats: [Float] {
        switch self {
        case .bytes(let bytes): bytes.map { Float($0) }
        case .floats(let floats): floats
        }
    }
}
