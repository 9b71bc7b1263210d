import Foundation
import TestSupport
import Testing

@testable import Storage

@Suite struct VirtualDatasetTests {
    /// Three files of 2, 0 and 3 rows, and one over all.
    private func make(in folder: String) throws -> [VirtualPiece] {
        try AtomicFile.createDirectory(folder)
        var pieces: [VirtualPiece] = []
        var row = 0
        for (index, rows) in [2, 0, 3].enumerated() {
            let name = "rank%b-\(index).h5"
            let file = try HDF5File.create("\(folder)/\(name)")
            // A row before, which the virtual data set leaves out.
            let values = (0..<(rows + 1) * 4).map { Float(row * 4 + $0 - 4) }
            try file.createDataset("/model/a.b", .float32, shape: [rows + 1, 4]).write(values)
            try file.close()
            pieces.append(
                VirtualPiece(
                    file: name, dataset: "/model/a.b", sourceShape: [rows + 1, 4], sourceStart: [1, 0],
                    start: [row, 0],
                    count: [rows, 4]))
            row += rows
        }
        let file = try HDF5File.create("\(folder)/all.h5")
        let dataset = try file.createVirtualDataset("/model/a.b", .float32, shape: [5, 4], pieces: pieces, fill: .nan)
        #expect(try dataset.virtualSources() == [pieces[0], pieces[2]])
        try file.close()
        return pieces
    }

    let values = (0..<20).map { Float($0) }

    @Test func readsAndTellsItsSources() throws {
        let scratch = try TestFolder()
        let pieces = try make(in: scratch("run"))
        let file = try HDF5File.open(scratch("run/all.h5"))
        let dataset = try file.dataset("/model/a.b")
        #expect(try dataset.virtualSources() == [pieces[0], pieces[2]])
        #expect(dataset.chunk == nil)
        #expect(try dataset.read(Float.self) == values)
    }

    @Test func peersReadItWhereverItIsMoved() throws {
        let scratch = try TestFolder()
        _ = try make(in: scratch("run"))
        try AtomicFile.createDirectory(scratch("elsewhere"))
        try AtomicFile.rename(from: scratch("run"), to: scratch("elsewhere/moved"))
        #expect(try HDF5File.open(scratch("elsewhere/moved/all.h5")).dataset("/model/a.b").read(Float.self) == values)
        let script = """
            import sys, h5py
            with h5py.File(sys.argv[1]) as f:
                print(f['model/a.b'].is_virtual, f['model/a.b'][:].ravel().tolist() == list(range(20)))
            """
        #expect(try Peer.python(script, scratch("elsewhere/moved/all.h5"), in: "/") == "True True")
        let dump = try Peer.h5dump("-d", "/model/a.b", scratch("elsewhere/moved/all.h5"), in: "/")
        #expect(dump.contains("(4,0): 16, 17, 18, 19"))
    }

    @Test func aMissingSourceReadsAsFill() throws {
        let scratch = try TestFolder()
        let pieces = try make(in: scratch("run"))
        try AtomicFile.removeTree(scratch("run/\(pieces[2].file)"))
        let read = try HDF5File.open(scratch("run/all.h5")).dataset("/model/a.b").read(Float.self)
        #expect(Array(read[..<8]) == Array(values[..<8]))
        #expect(read[8...].allSatisfy { $0.isNaN })
    }

    @Test func piecesThatDoNotFit() throws {
        let scratch = try TestFolder()
        let file = try HDF5File.create(scratch("a.h5"))
        let piece = VirtualPiece(file: "b.h5", dataset: "x", sourceShape: [4], sourceStart: [2], start: [0], count: [3])
        let error = try failure {
            _ = try file.createVirtualDataset("x", .float32, shape: [9], pieces: [piece], fill: nil)
        }
        #expect(error.kind == .malformed)
        #expect(throws: StorageError.self) {
            try file.createVirtualDataset("x", .float32, shape: [], pieces: [], fill: nil)
        }
    }
}
