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

    private func write(_ text: String) { StandardError().write(text) }
}
