import Compute
import Foundation
import Model
import Storage
import TestSupport
import Testing

@testable import Evaluation

@Suite("Selfcheck")
struct SelfcheckTests {
    private static let folder = "\(repository)/Tests/reference"

    static var cases: [String] {
        ((try? Files.names(in: folder)) ?? []).compactMap { name in
            // An autoencoder's case lies beside its model.
            name.hasPrefix("vae-") ? "\(name)/case.h5" : name.hasSuffix(".h5") ? name : nil
        }
    }

    private func check(
        _ path: String, _ activations: ActivationMode = .keep, _ arithmetic: Arithmetic = .oneDNN
    ) throws -> Selfcheck.Report {
        try Selfcheck(engine: try arithmetic.engine(), activations: activations).run(path)
    }

    private func expectPasses(_ name: String, _ activations: ActivationMode, _ arithmetic: Arithmetic) throws {
        let report = try check("\(Self.folder)/\(name)", activations, arithmetic)
        #expect(report.passes)
        for comparison in report.comparisons where !comparison.passes {
            Issue.record("\(comparison.quantity): \(comparison.error)")
        }
        #expect(name.hasPrefix(report.kind))
    }

    @Test("every reference case passes", arguments: cases, ActivationMode.allCases)
    func passes(_ name: String, _ activations: ActivationMode) throws {
        try expectPasses(name, activations, .oneDNN)
    }

    @Test("with OpenBLAS too", arguments: cases)
    func passesWithOpenBLAS(_ name: String) throws { try expectPasses(name, .keep, .openBLAS) }

    @Test("and in bfloat16, within its own tolerances", arguments: cases, Arithmetic.bfloat16)
    func passesInBFloat16(_ name: String, _ arithmetic: Arithmetic) throws { try expectPasses(name, .keep, arithmetic) }

    @Test func allKindsAreThere() {
        for kind in ReferenceCase.Kind.allCases {
            #expect(Self.cases.contains { $0.hasPrefix(kind.rawValue) }, "\(kind)")
        }
    }

    @Test("a case without quantities does not pass")
    func empty() {
        #expect(!Selfcheck.Report(path: "", kind: "step", comparisons: []).passes)
    }

    // MARK: - Changed cases

    /// A copy of a case whose values are changed in place.
    private func changed(_ name: String, _ scratch: TestFolder, _ change: (HDF5File) throws -> Void) throws -> String {
        let path = scratch("changed.h5")
        try AtomicFile.write(try Files.read("\(Self.folder)/\(name)"), to: path)
        let file = try HDF5File.open(path, .readWrite)
        try change(file)
        try file.close()
        return path
    }

    /// A copy of a case that lacks a data set, or everything in a group.
    private func lacking(_ left: String, of name: String, _ scratch: TestFolder) throws -> String {
        let path = scratch("lacking.h5")
        try AtomicFile.removeTree(path)
        let source = try HDF5File.open("\(Self.folder)/\(name)")
        let target = try HDF5File.create(path)
        func copy(_ object: String) throws {
            for name in try source.names(in: object.isEmpty ? "/" : object) {
                let inner = object.isEmpty ? name : "\(object)/\(name)"
                if inner == left { continue }
                guard try source.kind(of: inner) == .dataset else {
                    try copy(inner)
                    continue
                }
                let values = try source.dataset(inner)
                let made = try target.createDataset(inner, values.type, shape: values.shape)
                // Doubles hold all values of these files exactly.
                try made.write(try values.read(Double.self))
            }
        }
        try copy("")
        for attribute in try source.attributeNames() where "@\(attribute)" != left {
            let content = try source.attributeContent(attribute)
            switch content.values {
            case .integers(let values): try target.setAttribute(attribute, values)
            case .doubles(let values): try target.setAttribute(attribute, values)
            case .floats(let values): try target.setAttribute(attribute, values.map(Double.init))
            case .bools(let values): try target.setAttribute(attribute, values[0])
            case .strings(let values): try target.setAttribute(attribute, values[0])
            }
        }
        try target.close()
        return path
    }

    struct Perturbation: Sendable, CustomTestStringConvertible {
        let name, changes: String
        /// The quantities that must notice, by the beginnings of their names.
        let noticed: String
        var testDescription: String { "\(name): \(changes)" }
    }

    @Test(
        "a perturbed value fails",
        arguments: [
            Perturbation(name: "step-fpdm-eps.h5", changes: "outputs/model_output", noticed: "outputs/model_output"),
            Perturbation(name: "step-fpdm-eps.h5", changes: "outputs/vb", noticed: "outputs/vb"),
            Perturbation(name: "step-fpdm-flow.h5", changes: "outputs/mse", noticed: "outputs/mse"),
            Perturbation(
                name: "step-dit-eps.h5", changes: "gradients/t_embedder.mlp.0.bias",
                noticed: "gradients/t_embedder.mlp.0.bias"),
            Perturbation(
                name: "step-fpdm-eps.h5", changes: "gradients/block_fixed_point.attn.qkv.bias",
                noticed: "gradients/block_fixed_point.attn.qkv.bias"),
            Perturbation(
                name: "step-fpdm-jfb.h5", changes: "weights/block_fixed_point.mlp.fc1.weight",
                noticed: "outputs/model_output"),
            Perturbation(name: "step-fpdm-eps.h5", changes: "inputs/noise", noticed: "outputs/mse"),
            Perturbation(name: "training-dit.h5", changes: "outputs/gradient_norm", noticed: "outputs/gradient_norm"),
            Perturbation(
                name: "training-fpdm.h5", changes: "final_ema/x_embedder.proj.weight",
                noticed: "final_ema/x_embedder.proj.weight"),
            Perturbation(
                name: "training-fpdm.h5", changes: "final_weights/final_layer.linear.bias",
                noticed: "final_weights/final_layer.linear.bias"),
            Perturbation(name: "sampling-ddpm.h5", changes: "inputs/noise", noticed: "outputs/trajectory"),
            Perturbation(
                name: "sampling-ddpm-guided-reuse.h5", changes: "outputs/trajectory", noticed: "outputs/trajectory"),
            Perturbation(name: "schedules.h5", changes: "linear-20/betas", noticed: "linear-20/betas"),
            Perturbation(name: "schedules.h5", changes: "embeddings/timestep_256", noticed: "embeddings/timestep_256"),
            Perturbation(
                name: "schedules.h5", changes: "iteration_budgets/increasing-520-20",
                noticed: "iteration_budgets/increasing-520-20"),
        ])
    func perturbed(_ test: Perturbation) throws {
        let scratch = try TestFolder()
        let path = try changed(test.name, scratch) { file in
            let dataset = try file.dataset(test.changes)
            var values = try dataset.read(Double.self)
            // The last value of all: noise of index 0 is not used.
            values[values.count - 1] += 0.05 * ((values.map(\.magnitude).max() ?? 0) + 1)
            if dataset.type == .int64 { values[values.count - 1].round(.up) }
            try dataset.write(values)
        }
        let report = try check(path)
        #expect(!report.passes)
        #expect(report.comparisons.contains { !$0.passes && $0.quantity.hasPrefix(test.noticed) })
        // What is expected of one quantity is no other's business.
        guard !test.changes.hasPrefix("inputs"), !test.changes.hasPrefix("weights") else { return }
        for comparison in report.comparisons where !comparison.passes {
            // All tensors' gradients are judged together too.
            let isWhole = comparison.quantity == "gradients" && test.noticed.hasPrefix("gradients/")
            #expect(isWhole || comparison.quantity.hasPrefix(test.noticed))
        }
    }

    @Test(
        "a tensor or attribute that is missing is one error that names it",
        arguments: [
            ("step-fpdm-eps.h5", "weights/block_pre_projection.weight"), ("step-fpdm-eps.h5", "inputs/t"),
            ("step-fpdm-eps.h5", "inputs/x0"), ("step-fpdm-eps.h5", "inputs/drop"),
            ("step-fpdm-eps.h5", "outputs/model_output"), ("step-fpdm-eps.h5", "outputs/loss"),
            ("step-fpdm-eps.h5", "outputs/vb"), ("step-fpdm-eps.h5", "gradients/x_embedder.proj.weight"),
            ("step-fpdm-eps.h5", "gradients"), ("step-fpdm-eps.h5", "@iterations"), ("step-fpdm-eps.h5", "@kind"),
            ("step-fpdm-eps.h5", "@model"), ("training-dit.h5", "inputs/iterations"),
            ("training-dit.h5", "final_ema/x_embedder.proj.weight"), ("training-dit.h5", "@ema_decay"),
            ("sampling-ddim.h5", "inputs/noise"), ("sampling-ddim.h5", "outputs/trajectory"),
            ("sampling-ddim.h5", "@respacing"),
        ])
    func missing(_ name: String, _ left: String) throws {
        let scratch = try TestFolder()
        let path = try lacking(left, of: name, scratch)
        let error = storageError { _ = try check(path) }
        #expect(error?.path == path && (error?.kind == .missing || error?.kind == .malformed))
        #expect(error?.message.contains(left.replacing("@", with: "")) == true, "\(error?.message ?? "")")
        // The copy is good but for that.
        #expect(try check(lacking("nothing", of: name, scratch)).passes)
    }

    @Test("an unknown kind is told, with those that are known")
    func unknownKind() throws {
        let scratch = try TestFolder()
        let path = try changed("step-dit-eps.h5", scratch) { try $0.setAttribute("kind", "gan") }
        let error = storageError { _ = try check(path) }
        #expect(error?.kind == .malformed && error?.path == path)
        #expect(error?.message.contains("\"gan\"") == true)
        for kind in ReferenceCase.Kind.allCases { #expect(error?.message.contains(kind.rawValue) == true) }
    }

    @Test("what cannot be computed is an error, not a crash")
    func impossible() throws {
        let scratch = try TestFolder()
        func refused(_ name: String, _ says: String, _ change: (HDF5File) throws -> Void) throws {
            let path = try changed(name, scratch, change)
            let error = storageError { _ = try check(path) }
            #expect(error?.kind == .malformed && error?.path == path)
            #expect(error?.message.contains(says) == true, "\(error?.message ?? "")")
        }
        func set(_ dataset: String, _ value: Int64) -> (HDF5File) throws -> Void {
            { file in
                let dataset = try file.dataset(dataset)
                var values = try dataset.read(Int64.self)
                values[values.count - 1] = value
                try dataset.write(values)
            }
        }
        for step in [-1, 1000] as [Int64] {
            try refused("step-dit-eps.h5", "inputs/t", set("inputs/t", step))
            try refused("training-dit.h5", "inputs/t", set("inputs/t", step))
        }
        try refused("step-dit-eps.h5", "inputs/y", set("inputs/y", 99))
        try refused("training-dit.h5", "inputs/iterations", set("inputs/iterations", -1))
        try refused("step-fpdm-eps.h5", "iterations") { try $0.setAttribute("iterations", [3, -2]) }
        try refused("step-fpdm-eps.h5", "iterations") { try $0.setAttribute("iterations", [3]) }
        try refused("step-fpdm-eps.h5", "target") { try $0.setAttribute("target", "score") }
        try refused("step-fpdm-eps.h5", "model") { try $0.setAttribute("model", "{}") }
        try refused("sampling-ddpm.h5", "iterations") { try $0.setAttribute("iterations", [4, 4]) }
        try refused("sampling-ddpm.h5", "iterations") {
            try $0.setAttribute("iterations", [4, 4, 4, 4, -1, 4, 4, 4])
        }
        for channels in [-1, 99] {
            try refused("sampling-ddpm-guided-reuse.h5", "guided_channels") {
                try $0.setAttribute("guided_channels", channels)
            }
        }
    }

    @Test("a file that is no case, or is not there")
    func noCase() throws {
        let scratch = try TestFolder()
        try AtomicFile.write("text", to: scratch("text.h5"))
        #expect(storageError { _ = try check(scratch("text.h5")) }?.kind == .malformed)
        #expect(storageError { _ = try check(scratch("none.h5")) }?.kind == .missing)
    }
}
