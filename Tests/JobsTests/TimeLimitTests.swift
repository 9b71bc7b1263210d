import TestSupport
import Testing

@testable import Jobs

/// `run.timeLimit`, as people write it.
@Suite struct TimeLimitTests {
    @Test func whatPeopleWriteIsUnderstood() throws {
        let limits: [(String, TimeLimit, String)] = [
            ("auto", .automatic, "auto"), ("none", .unlimited, "none"), ("90", .seconds(90), "1m30s"),
            ("1h30m", .seconds(5400), "1h30m"), ("45s", .seconds(45), "45s"), ("2d", .seconds(172_800), "2d"),
            ("\"1h30m\"", .seconds(5400), "1h30m"), ("90m", .seconds(5400), "1h30m"),
            ("1d1s", .seconds(86_401), "1d1s"),
            ("0h1m", .seconds(60), "1m"),
        ]
        for (text, limit, printed) in limits {
            let job = try job("run.timeLimit=\(text)")
            #expect(job.run.timeLimit == limit, "\(text)")
            #expect(job.yaml().contains("timeLimit: \(printed)\n"), "\(text)")
            #expect(try JobConfiguration.parse(yaml: job.yaml(), name: "again").run.timeLimit == limit)
        }
        #expect(try job().run.timeLimit == .automatic)
    }

    @Test func whatIsNoDurationIsRefused() {
        for text in [
            "0", "-5", "0s", "1x", "h", "1m1h", "1h1h", "1.5h", "1:30:00", "soon", "1h30", "99999999999999d", "[1, 2]",
        ] {
            #expect(throws: JobErrors.self, "\(text)") { try job("run.timeLimit=\(text)") }
        }
    }
}
