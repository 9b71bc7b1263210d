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

/// The ranks' signs of life: a file each in a folder, `rank-00002`, written in place.
struct PulseFolder: Sendable {
    let path: String

    init(_ path: String) { self.path = path }

    /// That of a run that trains.
    init(run: String) { self.init(run + "/.heartbeat") }

    /// A new one beside a run's folder, which need not exist; nil where none can be made. What starts that were killed have
    /// left is swept up after a day.
    ///
    /// - Parameter host: of this process.
    static func make(beside run: String, host: String) -> PulseFolder? {
        let run = run.last == "/" ? String(run.dropLast()) : run
        let parent = Files.folder(of: run)
        let prefix = ".\(URL(fileURLWithPath: run).lastPathComponent).starting-"
        for name in (try? Files.names(in: parent)) ?? [] where name.hasPrefix(prefix) {
            let old = PulseFolder("\(parent)/\(name)")
            let attributes = try? FileManager.default.attributesOfItem(atPath: old.path)
            if let made = attributes?[.modificationDate] as? Date, made.timeIntervalSinceNow < -86_400 { old.remove() }
        }
        let folder = PulseFolder("\(parent)/\(prefix)\(host)-\(getpid())")
        return mkdir(folder.path, 0o777) == 0 ? folder : nil
    }

    /// An empty folder. One that cannot be made is not there.
    func renew() {
        remove()
        mkdir(path, 0o777)
    }

    func remove() { try? AtomicFile.removeTree(path) }

    private func file(_ rank: Int) -> String {
        let digits = String(rank)
        return path + "/rank-" + String(repeating: "0", count: max(0, 5 - digits.count)) + digits
    }

    /// Padded, so that a shorter one leaves nothing of the one before.
    ///
    /// - Returns: whether it could be written.
    @discardableResult
    func write(_ pulse: Pulse) -> Bool {
        guard let data = try? JSONEncoder().encode(pulse) else { return false }
        let descriptor = open(file(pulse.rank), O_WRONLY | O_CREAT | O_CLOEXEC, 0o666)
        guard descriptor >= 0 else { return false }
        let text = String(decoding: data, as: UTF8.self)
        let line = Array((text + String(repeating: " ", count: max(0, 511 - text.utf8.count)) + "\n").utf8)
        let count = line.withUnsafeBytes { pwrite(descriptor, $0.baseAddress, $0.count, 0) }
        return close(descriptor) == 0 && count == line.count
    }

    /// Nil where there is none, or half of one.
    func read(rank: Int) -> Pulse? {
        guard let data = FileManager.default.contents(atPath: file(rank)) else { return nil }
        return try? JSONDecoder().decode(Pulse.self, from: data)
    }
}
