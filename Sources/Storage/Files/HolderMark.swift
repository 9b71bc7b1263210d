import Foundation

/// Who holds a file, as its lines say.
struct HolderMark: Equatable, Sendable {
    private let host: String
    private let process: Int32
    /// Where the number of a process means something: this boot of the machine, and this container.
    private let place: String
    /// When the process began, in the kernel's ticks: numbers come round.
    private let started: String
    /// Different for each claim.
    private let claim: String

    private init(host: String, process: Int32, place: String, started: String, claim: String) {
        (self.host, self.process, self.place, self.started, self.claim) = (host, process, place, started, claim)
    }

    static func ofThisProcess() -> HolderMark {
        HolderMark(
            host: hostName, process: getpid(), place: thisPlace,
            started: startTime(of: getpid()) ?? "", claim: UUID().uuidString)
    }

    /// Nil if there is no such file, or one that its writer has not finished.
    init?(at path: String) {
        guard let bytes = try? Files.read(path, most: 1 << 12) else { return nil }
        let lines = String(decoding: bytes, as: UTF8.self).split(separator: "\n", omittingEmptySubsequences: false)
        guard lines.count == 6, let process = Int32(lines[1]) else { return nil }
        self.init(
            host: String(lines[0]), process: process, place: String(lines[2]), started: String(lines[3]),
            claim: String(lines[4]))
    }

    var text: String { [host, "\(process)", place, started, claim, ""].joined(separator: "\n") }

    /// Whether the process runs; nil where that cannot be told from here.
    var isAlive: Bool? { place.isEmpty || place != Self.thisPlace ? nil : Self.startTime(of: process) == started }

    private static var hostName: String {
        var name = [CChar](repeating: 0, count: 256)
        return gethostname(&name, name.count - 1) == 0 ? text(name) : "an unknown host"
    }

    /// Empty where the system does not tell.
    private static let thisPlace: String = {
        var link = [CChar](repeating: 0, count: 256)
        guard let boot = try? Files.read("/proc/sys/kernel/random/boot_id"),
            readlink("/proc/self/ns/pid", &link, link.count - 1) > 0
        else { return "" }
        let machine = String(decoding: boot, as: UTF8.self).trimmingCharacters(in: .whitespacesAndNewlines)
        return "\(machine) \(text(link))"
    }()

    private static func text(_ characters: [CChar]) -> String {
        String(decoding: characters.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    /// The 22nd field of `/proc/PID/stat` (proc(5)); nil if there is no such process, or one that is dead already.
    private static func startTime(of process: Int32) -> String? {
        guard let bytes = try? Files.read("/proc/\(process)/stat") else { return nil }
        // The second field, the program's name in brackets, may hold anything.
        let text = String(decoding: bytes, as: UTF8.self)
        guard let bracket = text.lastIndex(of: ")") else { return nil }
        let fields = text[text.index(after: bracket)...].split(separator: " ")
        guard fields.count > 19, fields[0] != "Z", fields[0] != "X" else { return nil }
        return String(fields[19])
    }
}

extension HolderMark: CustomStringConvertible {
    var description: String { "process \(process) on \(host)" }
}
