import Checkpoints
import Datasets
import Diffusion
import Distributed
import Jobs
import Reporting
import Storage
import TestSupport
import Testing

@testable import Compute
@testable import Training

@Suite("Exit codes and messages of failures")
struct FailureTests {
    private struct Unknown: Error, CustomStringConvertible { let description = "something new" }

    private func expect(
        _ error: any Error, _ code: Int32, _ message: String, location: SourceLocation = #_sourceLocation
    ) {
        let described = Failure.describe(error)
        #expect(described.code == code, sourceLocation: location)
        #expect(described.message == message, sourceLocation: location)
    }

    /// sysexits.h, and what schedulers and scripts are told in the documentation.
    @Test func failures() {
        let codes: [(Failure.Status, Int32)] = [
            (.usage, 64), (.badData, 65), (.noInput, 66), (.software, 70), (.cannotCreate, 73), (.io, 74),
            (.tryAgain, 75),
        ]
        for (code, number) in codes { expect(Failure(code, "why"), number, "why") }
    }

    @Test func storage() {
        let kinds: [(StorageTrouble, Int32)] = [
            (.missing, 66), (.malformed, 65), (.exists, 73), (.io, 74), (.library, 70),
        ]
        for (kind, number) in kinds { expect(StorageError(kind, "a/b", "is so"), number, "a/b: is so") }
    }

    @Test func data() {
        let kinds: [(DatasetTrouble, Int32)] = [(.missing, 66), (.malformed, 65), (.usage, 64)]
        for (kind, number) in kinds { expect(DatasetError(kind, "a/b", "is so"), number, "a/b: is so") }
    }

    @Test func checkpoints() {
        let kinds: [(CheckpointTrouble, Int32)] = [
            (.missing, 66), (.damaged, 65), (.otherModel, 65), (.tooNew, 65), (.exists, 73),
        ]
        for (kind, number) in kinds { expect(CheckpointError(kind, "a/b", "is so"), number, "a/b: is so") }
    }

    @Test func jobs() {
        let causes: [(JobError.Cause, Int32)] = [(.noInput, 66), (.badData, 65), (.usage, 64)]
        for (cause, number) in causes {
            expect(
                JobErrors([JobError(file: "job.yaml", line: 3, message: "is so", cause: cause)]), number,
                "job.yaml:3: is so")
        }
        // The gravest decides, and all are told.
        let both = JobErrors([
            JobError(file: "--set a.b=c", message: "one", cause: .usage),
            JobError(file: "job.yaml", message: "two", cause: .badData),
        ])
        expect(both, 65, "--set a.b=c: one\njob.yaml: two")
    }

    @Test func ranks() {
        let failure = RankFailure(rank: 2, host: "node7", code: 74, message: "disk full")
        expect(failure, 74, "rank 2 on node7: disk full")
    }

    @Test func others() {
        expect(DiffusionError("eta is so"), 65, "eta is so")
        expect(LibraryError(description: "no BLAS"), 70, "no BLAS")
        let mpi = MPIError(operation: "MPI_Bcast", rank: 1, code: 5, message: "truncated")
        expect(mpi, 70, mpi.description)
        expect(Unknown(), 70, "something new")
    }
}
