import Foundation
import Testing

@testable import Storage

/// A folder for one test, removed after it.
final class Scratch {
    let path: String

    init() throws {
        path = FileManager.default.temporaryDirectory.path + "/fpdm-storage-\(getpid())-\(UUID().uuidString)"
        try AtomicFile.createDirectory(path, exclusive: true)
    }

    deinit { try? AtomicFile.removeTree(path) }

    func callAsFunction(_ name: String) -> String { "\(path)/\(name)" }
}

/// What a peer printed, and how it ended.
struct Outcome {
    let status: Int32
    let output: String
    let errors: String
}

/// Runs a program found by the shell's rules.
func run(_ arguments: [String], in folder: String? = nil) throws -> Outcome {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = arguments
    if let folder { process.currentDirectoryURL = URL(fileURLWithPath: folder) }
    let output = Pipe()
    let errors = Pipe()
    process.standardOutput = output
    process.standardError = errors
    try process.run()
    let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    let errorText = String(decoding: errors.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    process.waitUntilExit()
    return Outcome(status: process.terminationStatus, output: text, errors: errorText)
}

/// The peers that our files are held against: missing ones fail the test, with what to install.
struct Peer {
    /// Runs Python with h5py; the script's arguments are `sys.argv[1:]`.
    ///
    /// - Returns: what it printed.
    static func python(
        _ script: String, _ arguments: String..., needs module: String = "h5py", in folder: String? = nil,
        location: SourceLocation = #_sourceLocation
    ) throws -> String {
        let python = ProcessInfo.processInfo.environment["FPDM_PYTHON"] ?? "python3"
        let probe = try run([python, "-c", "import \(module)"])
        let remedy =
            module == "h5py"
            ? "apt-get install python3-h5py" : "\(python) -m pip install numpy safetensors (in a virtual environment)"
        try #require(
            probe.status == 0,
            """
            \(python) cannot import \(module), which this test holds our files against: \(remedy), \
            or set FPDM_PYTHON to a Python that has it
            """, sourceLocation: location)
        let outcome = try run([python, "-c", script] + arguments, in: folder)
        #expect(outcome.status == 0, "\(outcome.errors)", sourceLocation: location)
        return outcome.output.trimmingCharacters(in: .whitespacesAndNewlines)
    }

    /// Runs h5dump.
    static func h5dump(
        _ arguments: String..., in folder: String? = nil, location: SourceLocation = #_sourceLocation
    ) throws -> String {
        let outcome = try run(["h5dump"] + arguments, in: folder)
        try #require(outcome.status != 127, "h5dump is missing: apt-get install hdf5-tools", sourceLocation: location)
        #expect(outcome.status == 0, "\(outcome.errors)", sourceLocation: location)
        return outcome.output
    }
}

/// The storage error that a call throws.
func failure(
    location: SourceLocation = #_sourceLocation, _ body: () throws -> Void
) throws -> StorageError {
    do {
        try body()
    } catch let error as StorageError {
        #expect(!error.message.contains("\n"), "errors are one line", sourceLocation: location)
        return error
    }
    try #require(Bool(false), "should have failed", sourceLocation: location)
    throw CancellationError()
}

/// Changes bytes of a file in place.
func damage(_ path: String, _ change: (inout [UInt8]) throws -> Void) throws {
    var bytes = try Files.read(path)
    try change(&bytes)
    try AtomicFile.write(bytes, to: path)
}
