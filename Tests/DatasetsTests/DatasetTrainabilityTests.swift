import Foundation
import Storage
import TestSupport
import Testing

@testable import Datasets

/// What `data verify` says of sets that are sound as files, but on which no training goes well.
@Suite struct DatasetTrainabilityTests {
    let folder: TestFolder
    let limits = DatasetVerifier.Limits(side: 1...8, channels: 1...4, classes: 9)

    init() throws { folder = try TestFolder() }

    /// A data set that h5py writes: `images` and `labels` are numpy expressions; `options` those of the images.
    private func write(
        _ images: String, labels: String = "", content: String = "pixels", scale: Double = 1, shift: Double = 0,
        options: String = ""
    ) throws {
        try AtomicFile.removeTree(folder("set-00000-of-00001.h5"))
        _ = try Peer.python(
            """
            import sys, h5py, numpy as np
            rng = np.random.default_rng(0)
            with h5py.File(sys.argv[1], 'w') as f:
                f.create_dataset('images', data=\(images)\(options.isEmpty ? "" : ", \(options)"))
                \(labels.isEmpty ? "" : "f['labels'] = \(labels)")
                f.attrs.update(version=1, content='\(content)', scale=\(scale), shift=\(shift))
            """, folder("set-00000-of-00001.h5"))
    }

    private func verify() -> DatasetVerification { DatasetVerifier.verify(path: folder("set"), limits: limits) }

    /// The only problem.
    private func problem(location: SourceLocation = #_sourceLocation) -> String {
        let found = verify().problems
        #expect(found.count == 1, sourceLocation: location)
        return found.first?.description ?? ""
    }

    /// Notes beside those that every foreign set gets: no digests of samples, none of files, no file over all.
    private func notes(location: SourceLocation = #_sourceLocation) -> [String] {
        let found = verify()
        #expect(found.isSound, "\(found.problems)", sourceLocation: location)
        let usual = ["/digests", "no digest beside", "would show all shards"]
        #expect(found.notes.count >= 3, sourceLocation: location)
        return found.notes.filter { note in !usual.contains { note.contains($0) } }
    }

    @Test(arguments: ["u1", "f4", "f2"]) func pixelsThatWereNotScaled(_ type: String) throws {
        try write("np.arange(180).reshape(5, 1, 6, 6).astype('\(type)')")
        let found = problem()
        #expect(found.contains("pixels run from 0 to 179 once they are scaled (scale 1, shift 0)"))
        // Bytes may be all from 0 to 255; floats are what they are.
        #expect(found.contains("scale \(type == "u1" ? "0.007843" : "0.01117") and shift -1"))
        // As the remedy says.
        try write(
            "np.arange(180).reshape(5, 1, 6, 6).astype('\(type)')", scale: type == "u1" ? 0.007843 : 0.01117, shift: -1)
        #expect(notes() == [])
    }

    @Test func pixelsOfUnusualRanges() throws {
        try write("rng.uniform(-1, 1, (9, 1, 6, 6)).astype('f4')")
        #expect(notes() == [])
        try write("rng.uniform(0, 1, (9, 1, 6, 6)).astype('f4')")
        #expect(notes().count == 1 && notes()[0].contains("where a model is to see -1 to 1"))
        // Of mean 0 and standard deviation 1, as for classifiers.
        try write("np.clip(rng.standard_normal((9, 1, 6, 6)), -2.5, 2.5).astype('f4')")
        #expect(notes().count == 1 && notes()[0].contains("samples are clipped"))
        try write("np.full((9, 1, 6, 6), 0.5, 'f4')")
        #expect(notes().count == 1 && notes()[0].contains("all are alike"))
        // A scale of the wrong sign or size.
        try write("np.full((9, 1, 6, 6), 100, 'u1')", scale: -1, shift: 0)
        #expect(problem().contains("pixels run from -100 to -100"))
    }

    @Test func latentsOfUnusualSpread() throws {
        func latents(_ deviation: Double, scale: Double = 1) throws {
            try write(
                "(\(deviation) * rng.standard_normal((50, 4, 6, 6))).astype('f4')", content: "latents", scale: scale)
        }
        for (deviation, scale) in [(1.0, 1.0), (5.5, 0.18215), (0.5, 1), (3, -1)] {
            try latents(deviation, scale: scale)
            #expect(notes() == [])
        }
        for deviation in [5.5, 0.1] {
            try latents(deviation)
            #expect(notes().count == 1 && notes()[0].contains("latents have a standard deviation of"))
            #expect(notes()[0].contains("give the files scale"))
        }
        try latents(500)
        #expect(problem().contains("it would learn nothing"))
    }

    @Test func whatNoJobFits() throws {
        try write("rng.standard_normal((9, 4, 6, 6)).astype('f4')", content: "moments")
        #expect(problem().contains("lacks the attribute latentScale"))
        try write("np.zeros((9, 5, 6, 6), 'f4')", content: "latents")
        #expect(problem().contains("the channels of an image are 5, but networks take 1 to 4"))
        try write("np.zeros((9, 4, 10, 10), 'f4')", content: "latents")
        #expect(problem().contains("the side of an image is 10, but networks take 1 to 8"))
        try write("np.zeros((9, 1, 6, 5), 'u1')")
        #expect(problem().contains("images should be square"))
        try write("rng.uniform(-1, 1, (9, 1, 6, 6)).astype('f4')", labels: "np.zeros((9, 10), 'f4')")
        #expect(problem().contains("labels are vectors of 10, but networks take 1 to 9"))
        try write("rng.uniform(-1, 1, (9, 1, 6, 6)).astype('f4')", labels: "np.arange(9) + 1")
        #expect(problem().contains("sample 8 has label 9, but no model has more than 9 classes"))
        // Without limits these are nobody's trouble.
        #expect(DatasetVerifier.verify(path: folder("set")).isSound)
    }

    @Test func scalesThatLeaveTheNumbers() throws {
        let images = "np.where(np.arange(324).reshape(9, 1, 6, 6) == 300, 3e38, 0).astype('f4')"
        try write(images, content: "latents", scale: 10)
        #expect(
            verify().problems.map(\.message).contains {
                $0.contains("sample 8 has 3e+38, which is not a finite number once it is scaled")
            })
    }

    /// HDF5 itself calls chunks unreadable whose filter it has not, and they are not damaged.
    @Test func aFilterThatIsNotThere() throws {
        let images = "rng.uniform(-1, 1, (9, 1, 6, 6)).astype('f4')"
        try write(images, options: "compression=32015, allow_unknown_filter=True, chunks=(3, 1, 6, 6)")
        let found = problem()
        #expect(found.contains("/images: is packed with the filter number 32015"))
        #expect(found.contains("gzip") && !found.contains("damaged"))
        let error = try dataFailure { _ = try ShardedDataset(path: folder("set")) }
        #expect(error.kind == .malformed && error.message.contains("filter number 32015"))
        for options in ["compression='gzip', shuffle=True", "compression='lzf'", "fletcher32=True", "scaleoffset=6"] {
            try write(images, options: "\(options), chunks=(3, 1, 6, 6)")
            #expect(notes() == [], "\(options)")
        }
    }
}
