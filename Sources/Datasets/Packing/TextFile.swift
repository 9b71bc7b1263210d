import Foundation
import Storage

/// A text file's bytes; one whose name ends in `.gz` is unpacked by `gzip`.
enum TextFile {
    /// - Throws: `StorageError` or ``DatasetError``, naming the file.
    static func read(_ path: String) throws -> [UInt8] {
        // Also where gzip does the reading: this says best what is wrong with a path.
        let bytes = try Files.read(path)
        return path.hasSuffix(".gz") ? try unpack(path) : bytes
    }

    private static func unpack(_ path: String) throws -> [UInt8] {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = ["gzip", "-dc", "--", path]
        let output = Pipe()
        let errors = Pipe()
        process.standardInput = FileHandle.nullDevice
        process.standardOutput = output
        process.standardError = errors
        do {
            try process.run()
        } catch {
            throw DatasetError(
                .malformed, path, "cannot be unpacked: gzip does not start (\(error)); unpack it yourself")
        }
        // gzip's own messages are short: they wait in their pipe until its output has been read.
        let data = output.fileHandleForReading.readDataToEndOfFile()
        let text = String(decoding: errors.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        switch process.terminationStatus {
        case 0: return Array(data)
        case 127:
            throw DatasetError(
                .malformed, path, "cannot be unpacked: gzip is not installed; install it or unpack the file yourself")
        default:
            let reason = text.split(whereSeparator: \.isNewline).joined(separator: " ")
            throw DatasetError(.malformed, path, "cannot be unpacked, copy it anew: \(reason)")
        }
    }
}
