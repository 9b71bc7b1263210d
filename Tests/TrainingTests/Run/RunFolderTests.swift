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

    private func refusal(location: SourceLocation = #_sourceLocation, _ body: () throws -> Void) -> String {
        let failure = statedFailure(location, body)
        #expect(failure?.status == .cannotCreate, sourceLocation: location)
        return failure?.description ?? ""
    }

    private func text(_ path: String) throws -> String { String(decoding: try Files.read(path), as: UTF8.self) }

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

    @Test("files that are not a run's are not written over", arguments: ["job.yaml", "metrics.jsonl"])
    func foreign(_ name: String) throws {
        let folder = try TestFolder()
        let run = RunFolder(folder("run"))
        try run.requireNothingForeign()
        try AtomicFile.createDirectory(run.path)
        try run.requireNothingForeign()
        let file = run.path + "/" + name
        let content = "# mine\n\(leastJob)"
        try AtomicFile.write(content, to: file)
        let message = refusal { try run.requireNothingForeign() }
        #expect(message.hasPrefix("\(file): ") && message.contains("run.directory"))
        #expect(try text(file) == content && Files.names(in: run.path) == [name])
    }

    @Test("a run's own files are taken, though it saved nothing")
    func own() throws {
        let folder = try TestFolder()
        do {
            let run = RunFolder(folder("run"))
            try run.prepare(job: leastJob, exclusive: true)
            try AtomicFile.write("{\"step\":1}\n", to: run.path + "/metrics.jsonl")
        }
        let run = RunFolder(folder("run"))
        try run.claim(waiting: .zero)
        try run.requireNothingForeign()
        // Metrics beside a job file that a person put there are not a run's.
        try AtomicFile.write(leastJob, to: run.path + "/job.yaml")
        #expect(refusal { try run.requireNothingForeign() }.hasPrefix(run.path + "/job.yaml: "))
    }

    @Test("a run goes on from its last checkpoint, not from one before")
    func later() throws {
        let folder = try TestFolder()
        let run = RunFolder(folder("run"))
        try save([2, 10], run.path)
        let checkpoints = try run.store.committed()
        #expect(checkpoints.map(\.step) == [2, 10])
        try run.requireSequel(to: try CheckpointReader.open(checkpoints[1].path))
        let earlier = try CheckpointReader.open(checkpoints[0].path)
        let message = refusal { try run.requireSequel(to: earlier) }
        #expect(message.contains(checkpoints[1].path) && message.contains("step 2"))
        // Once the later one is away it may.
        try AtomicFile.rename(from: checkpoints[1].path, to: folder("away"))
        try run.requireSequel(to: earlier)
    }

    @Test("another run's checkpoint goes on in a new folder only")
    func sequelOfAnother() throws {
        let folder = try TestFolder()
        try save([2, 10], folder("run"))
        let earlier = try CheckpointReader.open(RunFolder(folder("run")).store.committed()[0].path)
        try RunFolder(folder("new")).requireSequel(to: earlier)
        try AtomicFile.createDirectory(folder("empty"))
        try RunFolder(folder("empty")).requireSequel(to: earlier)
        // Neither a folder with checkpoints, the same steps even, nor one whose run has saved nothing.
        try save([1], folder("saved"))
        try save([2], folder("equal"))
        try RunFolder(folder("begun")).prepare(job: leastJob, exclusive: true)
        try AtomicFile.createDirectory(folder("measured"))
        try AtomicFile.write("{\"step\":1}\n", to: folder("measured/metrics.jsonl"))
        for name in ["saved", "equal", "begun", "measured"] {
            let message = refusal { try RunFolder(folder(name)).requireSequel(to: earlier) }
            #expect(message.hasPrefix("\(folder(name)): ") && message.contains(earlier.path), "\(message)")
        }
    }

    @Test("a folder that another process holds is refused after a wait")
    func held() throws {
        let folder = try TestFolder()
        let other = try #require(try FileLock(folder("lock")))
        for patience in [Duration.zero, .milliseconds(300)] {
            var notes: [String] = []
            let message = refusal { try RunFolder(folder.path).claim(waiting: patience) { notes.append($0) } }
            #expect(message.hasPrefix("\(folder.path): another process"))
            // It says so before it waits, and once.
            #expect(notes.count == (patience == .zero ? 0 : 1))
            #expect(notes.allSatisfy { $0.hasPrefix("\(folder.path): another process") && $0.contains("waiting") })
        }
        withExtendedLifetime(other) {}
    }

    @Test("a wait ends when the other process does")
    func released() throws {
        let folder = try TestFolder()
        var other = try FileLock(folder("lock"))
        #expect(other != nil)
        do {
            let run = RunFolder(folder.path)
            // Far more than it takes.
            try run.claim(waiting: .seconds(600)) { _ in other = nil }
            #expect(other == nil)
            // Once is enough, and while it lives no one else has it.
            try run.claim(waiting: .zero)
            _ = refusal { try RunFolder(folder.path).claim(waiting: .zero) }
            withExtendedLifetime(run) {}
        }
        try RunFolder(folder.path).claim(waiting: .zero)
        // A claim makes no folder.
        try RunFolder(folder("none")).claim(waiting: .zero)
        #expect(try !Files.exists(folder("none")))
    }

    @Test("a run's folder records its job, and is taken by one run only")
    func prepare() throws {
        let folder = try TestFolder()
        let run = RunFolder(folder("runs/digits"))
        func recorded() throws -> JobConfiguration {
            try JobConfiguration.parse(yaml: try text(run.path + "/job.yaml"), name: "job.yaml")
        }
        let first = try job("training.steps=12", "run.seed=5").resolved { _ in .keep }
        try run.prepare(job: first.yaml(), exclusive: true)
        #expect(try recorded() == first.configuration)
        do {
            try RunFolder(run.path).prepare(job: first.yaml(), exclusive: true)
            Issue.record("two runs took one folder")
        } catch let error as StorageError {
            #expect(error.kind == .exists && error.path == run.path)
        }
        _ = refusal { try RunFolder(run.path).claim(waiting: .zero) }
        // On resume the job of now is recorded, and what a writer left behind is swept away.
        try save([3], run.path)
        try AtomicFile.createDirectory(run.store.folder + "/.partial-step-0000004-1-1")
        let second = try job("training.steps=20", "run.seed=5").resolved { _ in .recompute }
        try run.prepare(job: second.yaml(), exclusive: false)
        #expect(try recorded() == second.configuration)
        #expect(try Files.names(in: run.store.folder) == ["step-0000003"])
    }

    @Test("a folder that cannot be looked up is neither new nor free")
    func unknown() throws {
        let folder = try TestFolder()
        let run = RunFolder(folder(String(repeating: "n", count: 256)))
        for call in [{ try run.requireNew() }, { try run.claim() }] {
            let error = storageError { try call() }
            #expect(error?.kind == .io && error?.path == run.path)
        }
    }
}
