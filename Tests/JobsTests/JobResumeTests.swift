import Foundation
import Jobs
import Model
import TestSupport
import Testing

private func resolved(_ job: JobConfiguration) -> ResolvedJob { job.resolved { _ in .keep } }

/// The keys of a refusal to go on; empty, and a failed test, if there is none.
private func refusedKeys(_ body: () throws -> JobResumption) -> [String] {
    do {
        _ = try body()
        Issue.record("went on")
    } catch let error as JobResumeError {
        return error.differences.map { String($0.prefix { $0 != ":" }) }
    } catch {
        Issue.record("\(error)")
    }
    return []
}

@Suite struct JobResumeTests {
    /// Keys that decide about bits, with other values than the least job's.
    static let deciding = [
        "run.seed=1", "diffusion.schedule=cosine", "diffusion.steps=999", "data.shuffle=none", "data.window=7",
        "data.horizontalFlip=true", "data.labelDropout=0.2", "training.globalBatch=264", "training.virtualRanks=4",
        "training.precision=bf16", "training.iterationsWithoutGradient=[1, 4]",
        "training.iterationsWithGradient=[1, 4]", "training.backward=unroll", "training.timestepSampler=second_moment",
        "diffusion.loss=rescaled_kl",
        "optimizer.learningRate=0.5", "optimizer.weightDecay=0.5", "optimizer.warmupSteps=10", "optimizer.clipNorm=1.0",
        "optimizer.schedule=cosine", "optimizer.beta1=0.5", "optimizer.beta2=0.5", "optimizer.epsilon=1e-06",
        "ema.decay=0.5", "ema.warmup=true",
    ]

    /// Keys that change no bits.
    static let free = [
        "run.directory=runs/moved", "run.name=x", "run.threads=3", "run.gemm=openblas", "run.logEvery=1",
        "run.metricsEvery=5", "run.residualsEvery=5",
        "run.timeLimit=1h30m", "run.watchdog=60", "data.path=elsewhere/x", "data.stage=/local/x",
        "training.steps=500000", "training.microbatch=16", "training.activations=recompute",
        "training.maxSkippedSteps=3", "training.checkWeightsEvery=5", "validation.path=data/held-out",
        "validation.every=7", "validation.batches=1",
        "checkpoint.every=3", "checkpoint.background=false", "checkpoint.keepLast=3", "checkpoint.keepEvery=9",
        "sampling.sampler=ddim",
        "sampling.respacing=100", "sampling.iterations=3",
        "sampling.allocation=increasing", "sampling.reuseSolution=true", "sampling.guidance=4.0",
        "sampling.guidedChannels=3", "sampling.clip=true", "sampling.batch=3", "sampling.tolerance=0.5",
        "sampling.solver=anderson", "sampling.solverMemory=3",
        "sampling.guidanceInterval=[0, 500]",
    ]

    @Test func anUnchangedJobGoesOn() throws {
        let recorded = resolved(try job())
        let resumption = try job().resumption(from: recorded, at: 5)
        #expect(resumption.job == recorded && resumption.changes.isEmpty && resumption.notes.isEmpty)
    }

    @Test func everyFieldIsPutToTheTest() {
        let tested = (Self.deciding + Self.free).map { String($0.prefix { $0 != "=" }) }
        // Eta goes with a sampler, a decay with a schedule, flow with a model, a list with a number of steps.
        let others = [
            "diffusion.zeroTerminalSNR", "diffusion.target", "diffusion.weighting", "diffusion.fixedVariance",
            "training.epochs",
            "optimizer.decaySteps", "optimizer.finalLearningRate", "sampling.eta",
            "sampling.iterationList",
        ]
        let fields = JobConfiguration.fields.filter { $0.section != "model" }.map(\.name)
        #expect(Set(fields) == Set(tested + others))
    }

    @Test(arguments: free)
    func whatChangesNoBitsMayChange(override: String) throws {
        let recorded = resolved(try job())
        let changed = try job(override)
        let resumption = try changed.resumption(from: recorded, at: 5)
        #expect(resumption.job == changed.resolved { _ in .keep })
        #expect(resumption.job != recorded)
        #expect(resumption.changes.isEmpty && resumption.notes.isEmpty)
    }

    @Test(arguments: deciding)
    func whatChangesBitsMayNot(override: String) throws {
        let recorded = resolved(try job())
        let error = try #require(throws: JobResumeError.self) { try job(override).resumption(from: recorded, at: 5) }
        let parts = override.split(separator: "=")
        #expect(error.differences[0].hasPrefix("\(parts[0]): recorded "))
        #expect(error.differences[0].hasSuffix(", now \(parts[1])"), "\(error)")
        #expect(error.differences.count == 1, "\(error)")
        #expect(error.description.contains("--resume PATH --allow-changes records the change and goes on"))
        #expect(error.description.contains("--start-from PATH begins a new run from these weights"))
        #expect(error.exitCode == 65)
    }

    @Test(arguments: deciding)
    func unlessItIsMeant(override: String) throws {
        let recorded = resolved(try job())
        let changed = try job(override)
        let earlier = JobChange(key: "ema.decay", from: "0.99", to: "0.9999", step: 2)
        let resumption = try changed.resumption(from: recorded, at: 5, changes: [earlier], allowingChanges: true)
        #expect(resumption.job == changed.resolved { _ in .keep })
        #expect(resumption.changes.first == earlier)
        let key = String(override.prefix { $0 != "=" })
        let made = try #require(resumption.changes.dropFirst().first)
        #expect(made.key == key && made.step == 5 && made.to == override.dropFirst(key.count + 1))
        // Its record reads back, and with it the first job file and the changed one both go on, to the same job.
        let text = try JSONEncoder().encode(resumption.changes)
        let changes = try JSONDecoder().decode([JobChange].self, from: text)
        let again = try job().resumption(from: resumption.job, at: 9, changes: changes)
        #expect(again.job == resumption.job)
        #expect(again.changes == changes)
        // An automatic choice is no other value than the changed one.
        let note = again.notes.first ?? (key == "data.shuffle" ? nil : "no note")
        #expect(note?.hasPrefix("\(key): \(made.to), as changed at step 5; the job file says ") != false)
        #expect(try changed.resumption(from: resumption.job, at: 9, changes: changes).job == resumption.job)
        #expect(try changed.resumption(from: resumption.job, at: 9, changes: changes).notes.isEmpty)
    }

    @Test func aRecordedChangeIsSaidInWords() throws {
        let changes = [
            JobChange(key: "optimizer.learningRate", from: "0.001", to: "0.0005", step: 300),
            JobChange(key: "optimizer.learningRate", from: "0.0005", to: "0.0001", step: 500),
        ]
        let recorded = resolved(try job("optimizer.learningRate=1e-4"))
        for (given, notes) in [
            ("0.001", ["optimizer.learningRate: 0.0001, as changed at step 500; the job file says 0.001"]),
            ("0.0005", ["optimizer.learningRate: 0.0001, as changed at step 500; the job file says 0.0005"]),
            ("0.0001", []),
        ] {
            let resumption = try job("optimizer.learningRate=\(given)").resumption(
                from: recorded, at: 700, changes: changes)
            #expect(resumption.job == recorded && resumption.notes == notes && resumption.changes == changes)
        }
        #expect(
            refusedKeys {
                try job("optimizer.learningRate=0.002").resumption(from: recorded, at: 700, changes: changes)
            } == ["optimizer.learningRate"])
        // A change of one key excuses no other.
        #expect(
            refusedKeys {
                try job("optimizer.learningRate=0.001", "ema.decay=0.5").resumption(
                    from: recorded, at: 700, changes: changes)
            } == ["ema.decay"])
    }

    @Test(arguments: ["model.depth=3", "model.learnSigma=false", "model.width=192", "model.classes=10"])
    func theNetworkNeverChanges(override: String) throws {
        let recorded = resolved(try job())
        for allowing in [false, true] {
            let error = try #require(throws: JobResumeError.self) {
                try job(override, "optimizer.beta1=0.5").resumption(
                    from: recorded, at: 5, allowingChanges: allowing)
            }
            #expect(error.differences.count == (allowing ? 1 : 2))
            #expect(error.description.contains("A run's network never changes"))
            #expect(error.description.contains("with the same model") && !error.description.contains("--allow-changes"))
        }
    }

    @Test func stepsMayOnlyGrowAndOnlyWhereNothingDependsOnThem() throws {
        func differences(_ new: [String], _ old: [String]) throws -> [String] {
            let job = try JobConfiguration.parse(yaml: leastJob, name: "job.yaml", overrides: new)
            let recorded = try JobConfiguration.parse(yaml: leastJob, name: "job.yaml", overrides: old)
            do {
                _ = try job.resumption(from: resolved(recorded), at: 5)
                return []
            } catch let error as JobResumeError {
                let meant = try job.resumption(from: resolved(recorded), at: 5, allowingChanges: true)
                #expect(meant.changes.map(\.key) == ["training.steps"])
                return error.differences
            }
        }
        #expect(
            try differences(["training.steps=99"], ["training.steps=100"])
                == ["training.steps: recorded 100, now 99; it may only grow"])
        #expect(try differences(["training.steps=101"], ["training.steps=100"]) == [])
        let cosine = "optimizer.schedule=cosine"
        #expect(
            try differences(["training.steps=101", cosine], ["training.steps=100", cosine]) == [
                "training.steps: recorded 100, now 101; the learning rates of schedule cosine depend on it, since "
                    + "optimizer.decaySteps is auto"
            ])
        let fixed = [cosine, "optimizer.decaySteps=200"]
        #expect(try differences(["training.steps=150"] + fixed, ["training.steps=100"] + fixed) == [])
    }

    @Test func keptValuesMustGoWithGivenOnes() throws {
        let changes = [JobChange(key: "data.labelDropout", from: "0.1", to: "0.0", step: 3)]
        let recorded = resolved(try job("data.labelDropout=0"))
        let error = try #require(throws: JobErrors.self) {
            try job("sampling.guidance=2").resumption(from: recorded, at: 5, changes: changes)
        }
        #expect(error.errors.map(\.key) == ["sampling.guidance"])
    }
}
