import Foundation

extension Files {
    /// Adds a line to a text file, which is made if need be, and waits until it is on the disk.
    ///
    /// A last line that was cut short, as by a crash, is ended first: it spoils nothing but itself.
    /// - Throws: ``StorageError`` if it cannot be written.
    public static func append(line: String, to path: String) throws {
        let file = try OpenFile(appending: path)
        let isCut = try file.size() > 0 && file.lastByte() != UInt8(ascii: "\n")
        // In one write: nobody else's comes between its parts.
        try Array("\(isCut ? "\n" : "")\(line)\n".utf8).withUnsafeBytes { try file.write($0) }
        try file.sync()
        try file.close()
    }
}
