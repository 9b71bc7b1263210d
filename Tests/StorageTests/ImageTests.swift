import Foundation
import TestSupport
import Testing

@testable import Storage

@Suite struct ImageTests {
    @Test(arguments: [1, 3], [(1, 1), (3, 5), (64, 7)])
    func pngRoundTrip(channels: Int, size: (Int, Int)) throws {
        let scratch = try TestFolder()
        let pixels = (0..<size.0 * size.1 * channels).map { UInt8(truncatingIfNeeded: $0 &* 37) }
        let image = ByteImage(width: size.0, height: size.1, channels: channels, pixels: pixels)
        try image.write(to: scratch("a.png"))
        try image.write(to: scratch("a.png"))
        // A grey image stays grey; a colour image of one pixel may be any colour.
        #expect(try ByteImage.read(scratch("a.png")) == image)
        #expect(try Array(Files.read(scratch("a.png"))[..<4]) == [0x89, 0x50, 0x4E, 0x47])
    }

    @Test func damagedImages() throws {
        let scratch = try TestFolder()
        try ByteImage(width: 9, height: 9, channels: 1, pixels: [UInt8](0..<81)).write(to: scratch("a.png"))
        try damage(scratch("a.png")) { $0.removeLast(40) }
        #expect(try failure { _ = try ByteImage.read(scratch("a.png")) }.kind == .malformed)
        try AtomicFile.write("no image", to: scratch("b.png"))
        #expect(try failure { _ = try ByteImage.read(scratch("b.png")) }.kind == .malformed)
        #expect(try failure { _ = try ByteImage.read(scratch("c.png")) }.kind == .missing)
        #expect(throws: StorageError.self) {
            try ByteImage(width: 1, height: 1, channels: 1, pixels: [0]).write(to: "/proc/a.png")
        }
    }

    @Test func gridOfGreys() {
        let grid = ImageGrid(padding: 1, zoom: 2, background: 7)
        let image = grid.render(rows: [[[-1, 1], [0, 5]], [[-5, .nan]]], channels: 1, height: 1, width: 2)
        #expect(image.width == 11 && image.height == 7)
        let rows = (0..<7).map { Array(image.pixels[$0 * 11..<$0 * 11 + 11]) }
        let line = [UInt8](repeating: 7, count: 11)
        let first: [UInt8] = [7, 0, 0, 255, 255, 7, 128, 128, 255, 255, 7]
        let second: [UInt8] = [7, 0, 0, 0, 0, 7, 7, 7, 7, 7, 7]
        #expect(rows == [line, first, first, line, second, second, line])
    }

    @Test func gridOfColours() {
        // Two pixels, one below the other: red, then white; channels are planes.
        let image = ImageGrid(padding: 0).render(rows: [[[1, 1, -1, 1, -1, 1]]], channels: 3, height: 2, width: 1)
        #expect(image.pixels == [255, 0, 0, 255, 255, 255])
        #expect(image.width == 1 && image.height == 2 && image.channels == 3)
    }

    @Test func emptyGrid() {
        let image = ImageGrid(padding: 1).render(rows: [], channels: 1, height: 2, width: 2)
        #expect(image.pixels == [UInt8](repeating: 0, count: 16))
    }
}
