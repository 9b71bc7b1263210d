import Checkpoints
import Jobs
import Reporting
import Storage
import TestSupport
import Testing

@testable import Training

@Suite("Folder of a run")
struct RunFolderTests {
    /// Checkpoints of these steps, of one small tensor.
    private func save(_ steps: [Int], _ run: String) throws {
        try withMemory { memory in
            for step in steps {
                _ = try CheckpointWriter.write(
                    [
                        CheckpointPiece(
                            group: "model", name: "w", shape: [3], values: memory.floats([1, 2, Float(step)]))
                    ],
                    metadata: CheckpointMetadata(
                        step: step, jobYAML: leastJob, worldSize: 1, hosts: ["here"], version: "test"),
                    run: run)
            }
        }
    }

    private func refusal(_ body: () throws -> Void, location: SourceLocation = #_sourceLocation) -> String {
        do {
            try body()
            Issue.record("was accepted", sourceLocation: location)
        } catch let error as Failure {
            #expect(error.status == .cannotCreate, sourceLocation: location)
            return error.description
        } catch {
            Issue.record("\(error)", sourceLocation: location)
        }
        return ""
    }

    @Test("a new run refuses what exists, with the remedy")
    func new() throws {
        let folder = try TestFolder()
        try RunFolder(folder("run")).requireNew()
        // An empty folder and a file are refused too: whose they are is not known.
        try AtomicFile.createDirectory(folder("empty"))
        try AtomicFile.write("", to: folder("file"))
        for name in ["empty", "file"] {
            let message = refusal { try RunFolder(folder(name)).requireNew() }
            #expect(message.contains(folder(name)) && message.contains("--resume auto"))
        }
    }

    @Test("a run goes on from its last checkpoint, not from one before")
    func later() throws {
        let folder = try TestFolder()
        let run = RunFolder(folder("run"))
        try save([2, 10], run.path)
        let checkpoints = try run.store.committed()
        #expect(checkpoints.map(\.step) == [2, 10])
        try run.requireNothingLater(than: try CheckpointReader.open(checkpoints[1].path))
        let earlier = try CheckpointReader.open(checkpoints[0].path)
        let message = refusal { try run.requireNothingLater(than: earlier) }
        #expect(message.contains(checkpoints[1].path) && message.contains("step 2"))
        // Into another folder it may go, and into its own once the later one is away.
        try RunFolder(folder("other")).requireNothingLater(than: earlier)
        try AtomicFile.rename(from: checkpoints[1].path, to: folder("away"))
        try run.requireNothingLater(than: earlier)
    }

    @Test("a run's folder records its job, and is taken by one run only")
    func prepare() throws {
        let folder = try TestFolder()
        let run = RunFolder(folder("runs/digits"))
        let first = try job("training.steps=12", "run.seed=5")
        try run.prepare(job: first, exclusive: true)
        func recorded() throws -> JobConfiguration {
            let text = String(decoding: try Files.read(run.path + "/job.yaml"), as: UTF8.self)
            return try JobConfiguration.parse(yaml: text, name: "job.yaml")
        }
        #expect(try recorded() == first)
        do {
            try run.prepare(job: first, exclusive: true)
            Issue.record("two runs took one folder")
        } catch let error as StorageError {
            #expect(error.kind == .exists && error.path == run.path)
        }
        // On resume the job of now is recorded, what a writer left behind is swept away, and skipped checkpoints are
        // set aside; others stay.
        try save([3, 4], run.path)
        run.skipped = [run.store.folder + "/step-0000004"]
        try AtomicFile.createDirectory(run.store.folder + "/.partial-step-0000004-1-1")
        let second = try job("training.steps=20", "run.seed=5")
        try run.prepare(job: second, exclusive: false)
        #expect(try recorded() == second)
        #expect(try Files.names(in: run.store.folder) == [".bad-step-0000004", "step-0000003"])
    }

    @Test("a folder that cannot be looked up is neither new nor free")
    func unknown() throws {
        let folder = try TestFolder()
        let run = RunFolder(folder(String(repeating: "n", count: 256)))
        for call in [run.requireNew, run.claim] {
            let error = storageError { try call() }
            #expect(error?.kind == .io && error?.path == run.path)
        }
    }
}
