import Foundation
import Storage
import TestSupport
import Testing

@testable import Datasets

@Suite struct DataSourceTests {
    let folder: TestFolder

    init() throws { folder = try TestFolder() }

    private func csv(_ text: String, _ name: String = "a.csv") throws -> String {
        try AtomicFile.write(text, to: folder(name))
        return folder(name)
    }

    @Test func valuesAndLabels() throws {
        let path = try csv("label,a,b,c,d\r\n3,0,1,2,3\r\n\r\n 0, 4 ,16,6,7\r\n")
        let source = try CSVSource(path: path, valueRange: 0...16)
        #expect(source.count == 2 && source.side == 2 && source.channels == 1)
        #expect(source.type == .uint8 && source.labels == .classes)
        #expect(source.scaling == (0.125, -1))
        #expect(source.sample(at: 0) == PackedSample(values: .bytes([0, 1, 2, 3]), label: .class(3)))
        #expect(source.sample(at: 1) == PackedSample(values: .bytes([4, 16, 6, 7]), label: .class(0)))
    }

    @Test func otherForms() throws {
        // The label may stand anywhere.
        let last = try CSVSource(path: csv("a,label\n7,1\n"))
        #expect(last.sample(at: 0) == PackedSample(values: .bytes([7]), label: .class(1)))
        // Names and numbers in quotes, as R writes them.
        let quoted = try CSVSource(path: csv("\"label\",\"a\",\"b\",\"c\",\"d\"\n\"2\",9, \"8\" ,7,6\n"))
        #expect(
            quoted.count == 1 && quoted.sample(at: 0) == PackedSample(values: .bytes([9, 8, 7, 6]), label: .class(2)))
        // Without names, one column more than a square is a label.
        let nameless = try CSVSource(path: csv("2,9,8,7,6\n"))
        #expect(nameless.sample(at: 0) == PackedSample(values: .bytes([9, 8, 7, 6]), label: .class(2)))
        let unlabelled = try CSVSource(path: csv("9,8,7,6\n"))
        #expect(unlabelled.labels == .none && unlabelled.sample(at: 0).values == .bytes([9, 8, 7, 6]))
        // A fraction, found late, makes all of them floats.
        let floats = try CSVSource(path: csv("\u{FEFF}x,y,z\n1,2,3\n4,-0.5,6\n"), channels: 3, valueRange: -1...7)
        #expect(floats.type == .float32 && floats.side == 1 && floats.count == 2)
        #expect(floats.sample(at: 0).values == .floats([1, 2, 3]))
        #expect(floats.sample(at: 1).values == .floats([4, -0.5, 6]))
        #expect(floats.scaling == (0.25, -0.75))
    }

    @Test(arguments: [
        ("label,a\n1,2\n1,x\n", "line 3: column a: \"x\" is not a number"),
        ("label,a\n1,2\n1,\n", "line 3: column a: \"\" is not a number"),
        ("label,a\n1,\"\n", "line 2: column a: \"\"\" is not a number"),
        ("label,a\n1,nan\n", "line 2: column a: \"nan\" is not a number"),
        ("label,a\n\n1,256\n", "line 3: column a: 256 is beyond 0.0 to 255.0"),
        ("label,a\n-1,2\n", "line 2: column label: \"-1\" is not a class"),
        ("label,a\n1.5,2\n", "line 2: column label: \"1.5\" is not a class"),
        ("label,a\n1,2,3\n", "line 2: has 3 columns, line 1 has 2"),
        ("1,2\n1,2\n1\n", "line 3: has 1 columns"),
        ("label,a,b\n1,2,3\n", "line 1: a label and 2 columns of values, but that is no square image"),
        ("a,b,c\n1,2,3\n", "line 1: no column \"label\" and 3 columns"),
        ("1,2,3,4,x\n", "line 1: column 5: \"x\" is not a number"),
        ("label,a\n", "holds no samples"), ("", "holds no samples"),
    ])
    func badCSV(_ text: String, _ message: String) throws {
        let path = try csv(text)
        let error = try dataFailure { _ = try CSVSource(path: path) }
        #expect(error.kind == .malformed && error.file == path)
        #expect(error.message.contains(message), "\(error.message)")
    }

    @Test func optionsThatDoNotFit() throws {
        let path = try csv("label,a,b,c,d\n1,2,3,4,5\n")
        #expect(try dataFailure { _ = try CSVSource(path: path, side: 3) }.message.contains("--side"))
        #expect(try dataFailure { _ = try CSVSource(path: path, channels: 0) }.kind == .usage)
        let names = try dataFailure { _ = try CSVSource(path: path, labelNames: ["only"]) }
        #expect(names.kind == .usage && names.message.contains("label 1"))
        #expect(try dataFailure { _ = try CSVSource(path: folder("b.csv")) }.kind == .missing)
        #expect(try dataFailure { _ = try CSVSource(path: folder("b.csv.gz")) }.kind == .missing)
    }

    @Test func damagedGzip() throws {
        let digits = "\(repository)/data/digits.csv.gz"
        var bytes = try Files.read(digits)
        bytes.removeLast(1000)
        try AtomicFile.write(bytes, to: folder("cut.csv.gz"))
        let error = try dataFailure { _ = try CSVSource(path: folder("cut.csv.gz")) }
        #expect(error.kind == .malformed && error.file == folder("cut.csv.gz") && error.message.contains("gzip"))
        try AtomicFile.write("label,a\n1,2\n", to: folder("no.csv.gz"))
        #expect(try dataFailure { _ = try CSVSource(path: folder("no.csv.gz")) }.message.contains("gzip"))
    }

    private func image(_ name: String, _ side: Int, channels: Int = 1, height: Int? = nil, start: Int = 0) throws {
        try AtomicFile.createDirectory(Files.folder(of: folder(name)))
        let count = side * (height ?? side) * channels
        let pixels = (0..<count).map { UInt8(truncatingIfNeeded: start + $0 * 7) }
        try ByteImage(width: side, height: height ?? side, channels: channels, pixels: pixels).write(to: folder(name))
    }

    @Test func aFolderForEachClass() throws {
        try image("in/dog/b.png", 3, start: 1)
        try image("in/dog/a.PNG", 3, start: 2)
        try image("in/cat/z.png", 3, start: 3)
        try AtomicFile.write("", to: folder("in/.hidden"))
        let source = try ImageFolderSource(path: folder("in"))
        #expect(source.count == 3 && source.side == 3 && source.channels == 1)
        #expect(source.labels == .classes && source.labelNames == ["cat", "dog"])
        func values(_ start: Int) -> PackedSample.Values { .bytes((0..<9).map { UInt8(start + $0 * 7) }) }
        #expect(try source.sample(at: 0) == PackedSample(values: values(3), label: .class(0)))
        #expect(try source.sample(at: 1) == PackedSample(values: values(2), label: .class(1)))
        #expect(try source.sample(at: 2) == PackedSample(values: values(1), label: .class(1)))
        try DatasetWriter.write(source, to: folder("out/set"))
        let dataset = try ShardedDataset(path: folder("out/set"))
        #expect(dataset.labelNames == ["cat", "dog"] && dataset.classLabels == [0, 1, 1])
        #expect(try read(dataset, [0]).images[0] == Float(3) * Float(2.0 / 255) - 1)
    }

    @Test func coloursLieOneAfterTheOther() throws {
        try image("in/a.png", 2, channels: 3)
        try image("in/b.png", 2, channels: 1)
        let source = try ImageFolderSource(path: folder("in"))
        #expect(source.labels == .none && source.channels == 3)
        #expect(try source.sample(at: 0).values == .bytes([0, 21, 42, 63, 7, 28, 49, 70, 14, 35, 56, 77]))
        #expect(try source.sample(at: 1).values == .bytes([0, 7, 14, 21, 0, 7, 14, 21, 0, 7, 14, 21]))
        // Grey where it is asked for: 0.299, 0.587 and 0.114 of red, green and blue.
        let grey = try ImageFolderSource(path: folder("in"), channels: 1)
        #expect(try grey.sample(at: 0).values == .bytes([6, 27, 48, 69]))
        #expect(try grey.sample(at: 1).values == source.sample(at: 1).values.prefix(4))
        // An error where it is not, but where the first image is grey.
        try image("in/0.png", 2, channels: 1)
        let mixed = try dataFailure { _ = try ImageFolderSource(path: folder("in")).sample(at: 1) }
        #expect(mixed.file == folder("in/a.png") && mixed.message.contains("--channels 3"))
    }

    @Test func sidesAndFolders() throws {
        try image("in/00/a.png", 4, channels: 3, height: 6)
        try image("in/01/deep/b.jpeg", 9)
        try image("in/c.PNG", 2)
        // Sub-folders are no classes: a folder's own images come first.
        let source = try ImageFolderSource(path: folder("in"), side: 2, channels: 3, hasClasses: false)
        #expect(source.count == 3 && source.labels == .none && source.side == 2 && source.channels == 3)
        for (index, name) in ["c.PNG", "00/a.png", "01/deep/b.jpeg"].enumerated() {
            let image = try ByteImage.read(folder("in/\(name)"))
            #expect(try source.sample(at: index).values == .bytes(image.centred(side: 2).planes(3)), "\(name)")
        }
        #expect(
            try dataFailure { _ = try ImageFolderSource(path: folder("in"), side: 2) }.message.contains("--labels none")
        )
        // Other names are another source, and so is another side.
        let all = try ImageFolderSource(path: folder("in"), side: 2, channels: 3, hasClasses: false).identity
        #expect(all == source.identity)
        try AtomicFile.rename(from: folder("in/c.PNG"), to: folder("in/d.PNG"))
        #expect(try ImageFolderSource(path: folder("in"), side: 2, channels: 3, hasClasses: false).identity != all)
    }

    @Test func badFolders() throws {
        try AtomicFile.createDirectory(folder("empty"))
        let empty = try dataFailure { _ = try ImageFolderSource(path: folder("empty")) }
        #expect(empty.kind == .malformed && empty.file == folder("empty"))
        #expect(try dataFailure { _ = try ImageFolderSource(path: folder("none")) }.kind == .missing)

        try image("in/a/1.png", 3)
        try image("in/b/2.png", 4)
        try image("in/b/3.png", 3, height: 5)
        try image("in/b/4.png", 3)
        try damage(folder("in/b/4.png")) { $0.removeLast(30) }
        let source = try ImageFolderSource(path: folder("in"))
        for (index, name) in [(1, "2"), (2, "3"), (3, "4")] {
            let error = try dataFailure { _ = try source.sample(at: index) }
            #expect(error.kind == .malformed && error.file == folder("in/b/\(name).png"))
        }
        #expect(try dataFailure { try DatasetWriter.write(source, to: folder("set")) }.message.contains("4 x 4 pixels"))
        // A pipe is not waited for, and a name that is no text is told of.
        try AtomicFile.removeTree(folder("in/b/3.png"))
        #expect(mkfifo(folder("in/b/3.png"), 0o600) == 0)
        #expect(try dataFailure { _ = try source.sample(at: 2) }.message.contains("is a pipe"))
        try image("odd/1.png", 3)
        func text(_ name: String) -> [CChar] { name.utf8.map { CChar(bitPattern: $0) } }
        #expect(rename(folder("odd/1.png"), text(folder("odd/")) + [-1] + text(".png") + [0]) == 0)
        let odd = try dataFailure { _ = try ImageFolderSource(path: folder("odd")) }
        #expect(odd.kind == .missing && odd.message.contains("no UTF-8"))
        #expect(try !Files.exists(folder("set.h5")))

        try AtomicFile.createDirectory(folder("in/c"))
        #expect(try dataFailure { _ = try ImageFolderSource(path: folder("in")) }.file == folder("in/c"))
        try AtomicFile.write("", to: folder("in/c/photo.gif"))
        #expect(try dataFailure { _ = try ImageFolderSource(path: folder("in")) }.file == folder("in/c/photo.gif"))
        try image("in/d.png", 3)
        #expect(try dataFailure { _ = try ImageFolderSource(path: folder("in")) }.file == folder("in/d.png"))
    }
}

extension PackedSample.Values {
    /// The first values.
    fileprivate func prefix(_ count: Int) -> Self {
        switch self {
        case .bytes(let bytes): .bytes(Array(bytes.prefix(count)))
        case .floats(let floats): .floats(Array(floats.prefix(count)))
        }
    }
}
