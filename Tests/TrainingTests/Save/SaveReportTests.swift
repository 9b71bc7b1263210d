import Testing

@testable import Training

@Suite("What is said of a save")
struct SaveReportTests {
    @Test(
        "its time counts once, whether training waited for it or went on",
        arguments: [(background: true, whole: 12.0), (background: false, whole: 2.0)])
    func secondsInAll(_ save: (background: Bool, whole: Double)) {
        var report = SaveReport(
            path: "run/checkpoints/step-5", writeSeconds: 10, isBackground: save.background, removed: [], troubles: [])
        report.stallSeconds = 2
        #expect(report.secondsInAll == save.whole)
    }
}
