import Foundation
import Storage

/// A rank's sign of life, which its watchdog writes for those of the other ranks.
struct Pulse: Codable, Equatable, Sendable {
    let rank: Int
    let host: String
    let process: Int32
    /// Grows with each one: the same twice means that nobody wrote.
    var count: UInt64
    var step: Int
    var phase: Heartbeat.Phase
    /// Whether the rank waits for others.
    var isWaiting: Bool
    /// Seconds without progress.
    var still: Double
}

/// The ranks' signs of life: a file each in the run folder, `.heartbeat/rank-00002`, written in place.
struct PulseFolder: Sendable {
    let path: String

    init(run: String) { path = run + "/.heartbeat" }

    /// An empty folder. One that cannot be made is not there.
    func renew() {
        remove()
        try? AtomicFile.createDirectory(path)
    }

    func remove() { try? AtomicFile.removeTree(path) }

    private func file(_ rank: Int) -> String {
        let digits = String(rank)
        return path + "/rank-" + String(repeating: "0", count: max(0, 5 - digits.count)) + digits
    }

    /// Padded, so that a shorter one leaves nothing of the one before. What cannot be written is not there.
    func write(_ pulse: Pulse) {
        guard let data = try? JSONEncoder().encode(pulse) else { return }
        let descriptor = open(file(pulse.rank), O_WRONLY | O_CREAT | O_CLOEXEC, 0o666)
        guard descriptor >= 0 else { return }
        let text = String(decoding: data, as: UTF8.self)
        let line = Array((text + String(repeating: " ", count: max(0, 511 - text.utf8.count)) + "\n").utf8)
        _ = line.withUnsafeBytes { pwrite(descriptor, $0.baseAddress, $0.count, 0) }
        close(descriptor)
    }

    /// Nil where there is none, or half of one.
    func read(rank: Int) -> Pulse? {
        guard let data = FileManager.default.contents(atPath: file(rank)) else { return nil }
        return try? JSONDecoder().decode(Pulse.self, from: data)
    }
}
