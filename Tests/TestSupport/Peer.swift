import Foundation
import Testing

/// What a peer printed, and how it ended.
public struct Outcome {
    public let status: Int32
    public let output: String
    public let errors: String
}

/// Runs a program found by the shell's rules.
public func run(_ arguments: [String], in folder: String? = nil) throws -> Outcome {
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
public struct Peer {
    /// Runs Python with h5py, or another module; the script's arguments are `sys.argv[1:]`.
    ///
    /// - Returns: what it printed.
    public static func python(
        _ script: String, _ arguments: String..., needs module: String = "h5py", in folder: String? = nil,
        location: SourceLocation = #_sourceLocation
    ) throws -> String {
        let python = ProcessInfo.processInfo.environment["FPDM_PYTHON"] ?? "python3"
        let probe = try run([python, "-c", "import \(module)"])
        let packages = ["h5py": "python3-h5py", "PIL": "python3-pil"]
        let remedy =
            packages[module].map { "apt-get install \($0)" }
            ?? "\(python) -m pip install numpy safetensors (in a virtual environment)"
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
    public static func h5dump(
        _ arguments: String..., in folder: String? = nil, location: SourceLocation = #_sourceLocation
    ) throws -> String {
        let outcome = try run(["h5dump"] + arguments, in: folder)
        try #require(outcome.status != 127, "h5dump is missing: apt-get install hdf5-tools", sourceLocation: location)
        #expect(outcome.status == 0, "\(outcome.errors)", sourceLocation: location)
        return outcome.output
    }
}
