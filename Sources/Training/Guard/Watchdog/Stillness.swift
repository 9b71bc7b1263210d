/// For how long nothing has moved, found by looking now and then.
struct Stillness: Sendable {
    /// What was seen.
    struct Sight: Equatable, Sendable {
        /// Another value is progress.
        var progress: UInt64
        /// Whether this rank waits for others.
        var isWaiting: Bool
        /// Read and written by the process, where that counts as progress.
        var fileBytes: UInt64 = 0
    }

    /// Bytes of files that count as progress: more than the watchdog's own.
    static let leastBytes: UInt64 = 1 << 20

    /// Seconds between looks.
    let interval: Double
    private(set) var isWaiting = false
    /// Seconds without progress, at the last look.
    private(set) var seconds = 0.0

    /// At the last progress.
    private var mark: (sight: Sight, time: Double)?
    private var looked = 0.0

    init(interval: Double) { self.interval = interval }

    /// Looks.
    ///
    /// - Parameter now: seconds on any clock that runs while the process is stopped.
    mutating func look(_ sight: Sight, now: Double) {
        // Looks that did not come mean that this process itself was stopped, and goes on.
        let hasSlept = now - looked > 4 * interval + 1
        if let mark, !hasSlept, sight.progress == mark.sight.progress,
            sight.fileBytes < mark.sight.fileBytes + Self.leastBytes
        {
            seconds = now - mark.time
        } else {
            mark = (sight, now)
            seconds = 0
        }
        isWaiting = sight.isWaiting
        looked = now
    }
}
