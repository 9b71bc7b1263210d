import Testing

@testable import Training

@Suite("What is said of a save")
struct SaveReportTests {
    @Test(
        "its time counts once, whether training waited for all of the writing, for its end, or not at all",
        arguments: [(stall: 13.0, whole: 13.0), (stall: 6.0, whole: 12.0), (stall: 2.0, whole: 12.0)])
    func secondsInAll(_ save: (stall: Double, whole: Double)) {
        var report = SaveReport(path: "run/checkpoints/step-5", writeSeconds: 10, removed: [], troubles: [])
        report.beginSeconds = 2
        report.stallSeconds = save.stall
        #expect(report.secondsInAll == save.whole)
    }
}
