import Foundation

/// A line that renews itself on a terminal, or plain lines now and then elsewhere.
final class ProgressLine {
    private let clock = ContinuousClock()
    private var lastDrawn: ContinuousClock.Instant?
    private var width = 0

    /// Shows `text`. Off a terminal, only where `plain` says so.
    func show(_ text: String, plain: Bool) {
        if Console.isTerminal {
            let now = clock.now
            // Ten times a second is enough for eyes.
            if let lastDrawn, now - lastDrawn < .milliseconds(100), !plain { return }
            lastDrawn = now
            write("\r" + text + String(repeating: " ", count: max(0, width - text.count)))
            width = text.count
        } else if plain {
            write(text + "\n")
        }
    }

    /// A line that stays.
    func note(_ text: String) {
        clear()
        write(text + "\n")
    }

    func clear() {
        guard Console.isTerminal, width > 0 else { return }
        write("\r" + String(repeating: " ", count: width) + "\r")
        width = 0
    }

    private func write(_ text: String) { FileHandle.standardError.write(Data(text.utf8)) }
}

/// A duration as a person says it: 48s, 3m 20s, 2h 5m.
func readable(seconds: Double) -> String {
    guard seconds.isFinite, seconds < 1e9 else { return "?" }
    let whole = Int(seconds.rounded())
    if whole < 60 { return "\(whole)s" }
    if whole < 3600 { return "\(whole / 60)m \(whole % 60)s" }
    if whole < 86_400 { return "\(whole / 3600)h \(whole % 3600 / 60)m" }
    return "\(whole / 86_400)d \(whole % 86_400 / 3600)h"
}

/// A number with `digits` significant digits, without an exponent where it is of ordinary size.
func significant(_ value: Double, _ digits: Int = 4) -> String { String(format: "%.\(digits)g", value) }
