import Foundation
import Storage
import TestSupport
import Testing

@testable import Datasets

@Suite struct IDXSourceTests {
    let folder: TestFolder

    init() throws { folder = try TestFolder() }

    /// What NumPy's `astype('>u4').tobytes()` and `tobytes()` make of such an array.
    private func file(_ name: String, _ shape: [UInt8], _ values: [UInt8], type: UInt8 = 8) throws -> String {
        let header: [UInt8] = [0, 0, type, UInt8(shape.count)] + shape.flatMap { [0, 0, 0, $0] as [UInt8] }
        try AtomicFile.write(header + values, to: folder(name))
        return folder(name)
    }

    @Test func imagesAndLabels() throws {
        let images = try file("train-images-idx3-ubyte", [3, 2, 2], Array(0..<12))
        let labels = try file("train-labels-idx1-ubyte", [3], [7, 0, 9])
        #expect(IDXSource.labelsPath(beside: images) == labels)
        let source = try IDXSource(path: images, labels: labels)
        #expect(source.count == 3 && source.channels == 1 && source.side == 2 && source.labels == .classes)
        #expect(source.type == .uint8 && source.scaling == (2 / 255.0, -1))
        #expect(source.sample(at: 0) == PackedSample(values: .bytes([0, 1, 2, 3]), label: .class(7)))
        #expect(source.sample(at: 2) == PackedSample(values: .bytes([8, 9, 10, 11]), label: .class(9)))
        let bare = try IDXSource(path: images, labels: nil)
        #expect(bare.labels == .none && bare.sample(at: 1) == PackedSample(values: .bytes([4, 5, 6, 7]), label: .none))
    }

    @Test func colours() throws {
        let source = try IDXSource(path: file("rgb-images.idx4", [2, 3, 1, 1], [1, 2, 3, 4, 5, 6]), labels: nil)
        #expect(source.channels == 3 && source.side == 1)
        #expect(source.sample(at: 1).values == .bytes([4, 5, 6]))
    }

    @Test func names() {
        #expect(IDXSource.labelsPath(beside: "a/t10k-images-idx3-ubyte.gz") == "a/t10k-labels-idx1-ubyte.gz")
        #expect(IDXSource.labelsPath(beside: "images/x-idx3-ubyte") == nil)
        for name in ["a-idx3-ubyte", "t10k-images.idx3-ubyte.gz", "b.idx", "c.idx3"] {
            #expect(IDXSource.isNamedLikeOne(name))
        }
        for name in ["a.csv", "idx3.csv.gz", "ubyte"] { #expect(!IDXSource.isNamedLikeOne(name)) }
    }

    @Test func filesThatAreNone() throws {
        func message(_ body: () throws -> Void) throws -> String { try dataFailure(body).message }
        let images = try file("images", [3, 2, 2], Array(0..<12))
        for (name, shape, count, type, wanted) in [
            ("cut", [3, 2, 2], 11, 8, "claims an array [3, 2, 2] of 12 values and holds 11"),
            ("long", [3, 2, 2], 13, 8, "holds 13"), ("floats", [3, 2, 2], 48, 13, "IDX type 13"),
            ("oblong", [3, 2, 3], 18, 8, "2 x 3 pixels"), ("flat", [12], 12, 8, "no images"),
            ("empty", [0, 2, 2], 0, 8, "no images"),
        ] {
            let path = try file(name, shape.map { UInt8($0) }, [UInt8](repeating: 0, count: count), type: UInt8(type))
            #expect(try message { _ = try IDXSource(path: path, labels: nil) }.contains(wanted), "\(name)")
        }
        try AtomicFile.write([UInt8]("label,a\n".utf8), to: folder("csv"))
        #expect(try message { _ = try IDXSource(path: folder("csv"), labels: nil) }.contains("is no IDX file"))
        try AtomicFile.write([0, 0, 8, 3, 0], to: folder("head"))
        #expect(try message { _ = try IDXSource(path: folder("head"), labels: nil) }.contains("within its header"))
        let huge: [UInt8] = [0, 0, 8, 3] + [UInt8](repeating: 255, count: 12)
        try AtomicFile.write(huge, to: folder("huge"))
        #expect(try message { _ = try IDXSource(path: folder("huge"), labels: nil) }.contains("no memory holds"))
        let labels = try file("labels", [2], [1, 2])
        #expect(try message { _ = try IDXSource(path: images, labels: labels) }.contains("wants [3]"))
        let good = try file("good", [3], [0, 1, 2])
        let named = try dataFailure { _ = try IDXSource(path: images, labels: good, labelNames: ["a", "b"]) }
        #expect(named.kind == .usage && named.message.contains("label 2"))
        #expect(try dataFailure { _ = try IDXSource(path: folder("none"), labels: nil) }.kind == .missing)
    }
}
