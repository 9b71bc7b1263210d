import Foundation
import Jobs
import Model
import TestSupport
import Testing

@testable import Training

/// The job files that the project ships.
@Suite("Shipped jobs")
struct JobFilesTests {
    static let files =
        (try? FileManager.default.contentsOfDirectory(atPath: "\(repository)/jobs"))?
        .filter { $0.hasSuffix(".yaml") }.sorted() ?? []

    @Test func allAreThere() {
        #expect(Self.files.count >= 9)
        #expect(Self.files.count { $0.hasPrefix("imagenet256") } == 4)
    }

    @Test("each is sound, runs on one rank or several, and can be planned", arguments: files)
    func isSound(_ file: String) throws {
        // Wherever the data are, and whether they are there.
        let job = try JobConfiguration.load(path: "\(repository)/jobs/\(file)", overrides: ["data.path=no/such/data"])
        #expect(job.warnings.isEmpty)
        #expect(job.run.directory.hasPrefix("runs/"))
        let engine = try Arithmetic.oneDNN.engine()
        // The clothes' groups are larger for it: two ranks, which it is made for, take them a third faster.
        let several = file == "fashion-fpdm.yaml" ? 4 : 8
        for ranks in [1, several] {
            let plan = try JobPlan(job, on: .init(ranks: ranks, ranksPerNode: 1, limit: nil), engine: engine)
            #expect(plan.job.training.epochs == nil && plan.largest.bytes > 0)
        }
    }
}
