import Sampling
import Storage
import TestSupport
import Testing

@Suite("Files and pictures of samples")
struct SampleFileTests {
    private func file(
        channels: Int = 2, side: Int = 3, count: Int = 5, classes: [Int32]? = nil, metadata: [String: String] = [:]
    ) -> SampleFile {
        SampleFile(
            channels: channels, side: side, images: testNormals(count * channels * side * side, seed: 1),
            classes: classes, metadata: metadata)
    }

    @Test("what is written is read back", arguments: [nil, [2, 0, 1, 1, 9]] as [[Int32]?])
    func roundTrip(_ classes: [Int32]?) throws {
        let scratch = try TestFolder()
        let file = file(classes: classes, metadata: ["seed": "7", "job": "run: {a: b}\nmodel: ü\n"])
        try file.write(to: scratch("s.h5"))
        let again = try SampleFile(path: scratch("s.h5"))
        #expect(again.images == file.images && again.classes == classes && again.metadata == file.metadata)
        #expect(again.channels == 2 && again.side == 3 && again.count == 5)
        #expect(try Files.names(in: scratch.path) == ["s.h5"])
        let raw = try HDF5File.open(scratch("s.h5"))
        #expect(try raw.dataset("/images").shape == [5, 2, 3, 3] && raw.dataset("/images").type == .float32)
    }

    @Test("a file that exists is left as it is")
    func exists() throws {
        let scratch = try TestFolder()
        try file().write(to: scratch("s.h5"))
        let before = try Files.read(scratch("s.h5"))
        let error = storageError { try file(count: 2).write(to: scratch("s.h5")) }
        #expect(error?.kind == .exists && error?.path == scratch("s.h5"))
        #expect(try Files.read(scratch("s.h5")) == before)
    }

    @Test("what lies beside it stays; a writer that fails leaves nothing")
    func partial() throws {
        let scratch = try TestFolder()
        try AtomicFile.write("half a file", to: scratch("s.h5.partial"))
        try file().write(to: scratch("s.h5"))
        _ = storageError { try file().write(to: scratch("none/s.h5")) }
        #expect(try Files.names(in: scratch.path) == ["s.h5", "s.h5.partial"])
    }

    @Test("what is no file of samples is refused, by name")
    func malformed() throws {
        let scratch = try TestFolder()
        func refused(_ kind: StorageTrouble, _ says: String, _ make: (String) throws -> Void) throws {
            let path = scratch("bad.h5")
            try make(path)
            let error = storageError { _ = try SampleFile(path: path) }
            #expect(error?.kind == kind && error?.path == path)
            #expect(error?.message.contains(says) == true, "\(error?.message ?? "")")
            try AtomicFile.removeTree(path)
        }
        func hdf5(_ shapes: [String: [Int]]) -> (String) throws -> Void {
            { path in
                let file = try HDF5File.create(path)
                for (name, shape) in shapes {
                    try file.createDataset(name, .float32, shape: shape).write(
                        [Float](repeating: 0, count: shape.reduce(1, *)))
                }
                try file.close()
            }
        }
        try refused(.missing, "open") { _ in }
        try refused(.malformed, "HDF5") { try AtomicFile.write("text", to: $0) }
        try refused(.malformed, "holds no /images", hdf5(["labels": [3]]))
        for shape in [[3, 8, 8], [64], [3, 1, 8, 4], [2, 1, 1, 8, 8], [3, 1, 0, 0], [3, 0, 8, 8], [0, 1, 8, 8]] {
            try refused(.malformed, "\(shape)", hdf5(["images": shape]))
        }
        // Labels of other images would be measured as if they were of these.
        try refused(.malformed, "/labels", hdf5(["images": [3, 1, 4, 4], "labels": [2]]))
    }

    // MARK: - Pictures

    /// Images of one grey each.
    private func greys(_ values: [Float], channels: Int = 1, side: Int, classes: [Int32]?) -> SampleFile {
        SampleFile(
            channels: channels, side: side,
            images: values.flatMap { [Float](repeating: $0, count: channels * side * side) }, classes: classes,
            metadata: [:])
    }

    /// The grey, or colour, in the middle of a cell.
    private func cell(_ picture: ByteImage, row: Int, column: Int, size: Int) -> [UInt8] {
        let (x, y) = (2 + column * (size + 2) + size / 2, 2 + row * (size + 2) + size / 2)
        let start = (y * picture.width + x) * picture.channels
        return Array(picture.pixels[start..<start + picture.channels])
    }

    @Test("one row a class, in order, cut to the columns")
    func rows() {
        let file = greys([-1, 1, 0.2, -0.2, 0.6], side: 8, classes: [7, 2, 7, 7, 2])
        let picture = SamplePicture(file, columns: 2).image()
        // Cells of 8 x 4 pixels with 2 around them.
        #expect(picture.width == 2 * 34 + 2 && picture.height == 2 * 34 + 2 && picture.channels == 1)
        let cells = (0..<2).map { row in (0..<2).map { cell(picture, row: row, column: $0, size: 32)[0] } }
        #expect(cells == [[255, 204], [0, 153]])
        #expect(SamplePicture(file, columns: 20).image().width == 3 * 34 + 2)
    }

    @Test("without classes rows of equal length")
    func unlabelled() {
        let picture = SamplePicture(greys([-1, 1, 0.2, -0.2, 0.6], side: 8, classes: nil), columns: 3).image()
        #expect(picture.width == 3 * 34 + 2 && picture.height == 2 * 34 + 2)
        let first = (0..<3).map { cell(picture, row: 0, column: $0, size: 32)[0] }
        let second = (0..<3).map { cell(picture, row: 1, column: $0, size: 32)[0] }
        #expect(first == [0, 255, 153] && second == [102, 204, 0])
    }

    @Test("small images are enlarged, large ones are not", arguments: [(4, 8), (8, 4), (10, 3), (32, 1), (40, 1)])
    func zoom(_ side: Int, _ zoom: Int) {
        let picture = SamplePicture(greys([1], side: side, classes: nil), columns: 5).image()
        #expect(picture.width == side * zoom + 4 && picture.height == side * zoom + 4)
    }

    @Test("channels become colours", arguments: [(1, 1), (2, 3), (3, 3), (4, 3)])
    func channels(_ channels: Int, _ shown: Int) {
        let side = 32
        let values: [Float] = [-1, 1, 0.2, 0.6]
        let file = SampleFile(
            channels: channels, side: side,
            images: (0..<channels).flatMap { [Float](repeating: values[$0], count: side * side) }, classes: nil,
            metadata: [:])
        let picture = SamplePicture(file, columns: 1).image()
        #expect(picture.channels == shown)
        // Two channels are no colour: the first is shown as grey.
        let expected: [Int: [UInt8]] = [1: [0], 2: [0, 0, 0], 3: [0, 255, 153], 4: [0, 255, 153]]
        #expect(cell(picture, row: 0, column: 0, size: side) == expected[channels])
    }

    @Test("a picture is a PNG file")
    func png() throws {
        let scratch = try TestFolder()
        let picture = SamplePicture(greys([-1, 1], channels: 3, side: 8, classes: [0, 1]), columns: 5)
        try picture.write(to: scratch("p.png"))
        #expect(try ByteImage.read(scratch("p.png")) == picture.image())
        _ = storageError { try picture.write(to: scratch("none/p.png")) }
    }
}
