import CPlatform
import Reporting
import TestSupport
import Testing

@testable import Compute

@Suite("Engines and their libraries")
struct EngineTests {
    @Test("OpenBLAS says which kernels it runs")
    func openBLAS() throws {
        let library = try OpenBLAS.load()
        #expect(!library.coreName.isEmpty && library.configuration.contains("OpenBLAS"))
        #expect(library.configuration.contains(library.version))
        #expect(try Arithmetic.openBLAS.engine().name == "OpenBLAS \(library.version) \(library.coreName)")
    }

    @Test("oneDNN says its version and the instructions that bits depend on")
    func oneDNN() throws {
        let library = try OneDNN.load()
        #expect(library.version.split(separator: ".").count == 3 && library.version.hasPrefix("2."))
        let name = try Arithmetic.oneDNN.engine().name
        #expect(name == "oneDNN \(library.version) \(library.instructions(.float32))")
        // In float32 what came after AVX-512 changes nothing.
        #expect(["AVX512", "AVX2", "SSE41"].contains(library.instructions(.float32)))
        #expect((library.instructions(.float32) == "AVX512") == Processor.current.hasAVX512)
    }

    @Test("in bfloat16 the name has the instruction", .bfloat16)
    func instructions() throws {
        let name = try Arithmetic.oneDNNBFloat16.engine().name
        #expect(name.hasSuffix(" AVX512_BF16") || name.hasSuffix(" AMX_BF16"))
    }

    @Test("auto is own kernels with AVX-512, oneDNN without, and wherever bf16 is the faster precision")
    func auto() throws {
        func name(_ library: MatrixLibrary, _ precision: Precision) throws -> String {
            switch try library.load(for: precision) {
            case .native: "native"
            case .oneDNN: "oneDNN"
            case .openBLAS: "OpenBLAS"
            }
        }
        #expect(try name(.auto, .float32) == (fpdm_has_registers_of_sixteen() != 0 ? "native" : "oneDNN"))
        let isFast = try OneDNN.load().hasBFloat16Tiles || Processor.current.isAMD && Processor.current.hasBFloat16
        #expect(try name(.auto, .bf16) == (isFast ? "oneDNN" : "native"))
        #expect(MatrixLibrary.auto.fasterPrecision == (isFast ? .bf16 : .float32))
        #expect(try name(.native, .float32) == "native" && name(.openblas, .float32) == "OpenBLAS")
        #expect(try name(.native, .bf16) == "native" && name(.onednn, .bf16) == "oneDNN")
        // What a checkpoint recorded is asked for again.
        for arithmetic in Arithmetic.float32 {
            #expect(MatrixLibrary.recorded(try arithmetic.engine().name) == arithmetic.library)
        }
    }

    @Test(
        "what auto takes follows from the processor",
        arguments: [
            // AMD since Zen 4, Intel with AMX, with AVX512_BF16 alone, with AVX-512 alone, and AVX2.
            (Processor(isAMD: true), true, false, true, MatrixLibrary.onednn), (Processor(), true, true, true, .onednn),
            (Processor(), true, false, true, .native), (Processor(), false, false, true, .native),
            (Processor(isAMD: true), false, false, false, .native),
        ])
    func choices(
        _ processor: Processor, _ hasProducts: Bool, _ hasTiles: Bool, _ isWide: Bool, _ inBFloat16: MatrixLibrary
    ) {
        let isFaster = processor.prefersBFloat16(hasProducts: hasProducts, hasTiles: hasTiles)
        func choices(_ precision: Precision) -> [MatrixLibrary] {
            MatrixLibrary.choices(precision, hasWideRegisters: isWide, bfloat16IsFaster: isFaster)
        }
        #expect(choices(.bf16) == [inBFloat16])
        #expect(choices(.float32) == (isWide ? [.native] : [.onednn, .openblas, .native]))
    }

    @Test("own kernels go by a version of their own, and name the library of their convolutions beside it")
    func native() throws {
        let engine = try Arithmetic.native.engine()
        #expect(engine.name == "native \(NativeProduct.version)")
        #expect(engine.nameWithConvolutions == "\(engine.name) and \(try Arithmetic.oneDNN.engine().name)")
        #expect(try Arithmetic.openBLAS.engine().nameWithConvolutions == Arithmetic.openBLAS.engine().name)
        #expect(MatrixLibrary.native.fasterPrecision == .float32)
    }

    @Test("OpenBLAS has no products of bfloat16, and the message says what does")
    func refusal() throws {
        let failure = try #require(
            throws: Failure.self
        ) { _ = try Engine(threads: 1, library: .openblas, precision: .bf16) }
        #expect(failure.status == .badData)
        for words in ["bf16", "own kernels", "oneDNN", "OpenBLAS", "float32"] {
            #expect(failure.description.contains(words))
        }
    }

    @Test("own kernels take bfloat16 on any processor, and convolve in float32")
    func nativeBFloat16() throws {
        let engine = try #require(Arithmetic.bfloat16.first).engine()
        #expect(engine.name == "native \(NativeProduct.version)" && engine.precision == .bf16)
        #expect(engine.backend.imageElement(.bf16) == .float32)
        #expect(engine.nameWithConvolutions == (try Arithmetic.native.engine().nameWithConvolutions))
        #expect(try Arithmetic.oneDNN.engine().backend.imageElement(.bf16) == .bfloat16)
        // Where nothing is installed, too.
        #expect(throws: Never.self) { _ = try Engine(threads: 1, .native(convolutions: nil), .bf16) }
    }

    @Test("a library that cannot be used ends the program with 70")
    func libraryError() {
        let error = LibraryError(description: "cannot load it")
        #expect(error.exitCode == 70 && error.description == "cannot load it")
    }

    @Test("bfloat16 is preferred where it is faster")
    func preference() {
        let (intel, amd) = (Processor(), Processor(isAMD: true))
        #expect(!intel.prefersBFloat16(hasProducts: false, hasTiles: false))
        #expect(!intel.prefersBFloat16(hasProducts: true, hasTiles: false))
        #expect(intel.prefersBFloat16(hasProducts: true, hasTiles: true))
        #expect(amd.prefersBFloat16(hasProducts: true, hasTiles: false))
        #expect(!amd.prefersBFloat16(hasProducts: false, hasTiles: false))
        #expect(Precision.float32.element == .float32 && Precision.bf16.element == .bfloat16)
        #expect(Element.float32.bytes == 4 && Element.bfloat16.bytes == 2)
    }

    @Test("OpenBLAS is told of kernels that it does not know to be fast")
    func preferredCore() {
        #expect(OpenBLAS.preferredCore(Processor(isAMD: true, family: 0x1A, hasAVX512: true)) == "SkylakeX")
        #expect(OpenBLAS.preferredCore(Processor(isAMD: true, family: 0x19, hasAVX512: true)) == nil)
        #expect(OpenBLAS.preferredCore(Processor(isAMD: true, family: 0x1A)) == nil)
        #expect(OpenBLAS.preferredCore(Processor(family: 0x1A, hasAVX512: true)) == nil)
        #expect(OpenBLAS.preferredCore(Processor(family: 6, model: 0x8F, hasAVX512: true)) == "SkylakeX")
        #expect(OpenBLAS.preferredCore(Processor(family: 6, model: 0x8F)) == nil)
        #expect(OpenBLAS.preferredCore(Processor(family: 6, model: 0x6A, hasAVX512: true)) == nil)
    }

    @Test("eigenvalues ascend, and eigenvectors are rows")
    func eigenvalues() throws {
        let n = 5
        let half = randomFloats(n * n, seed: 1).doubles
        let matrix = (0..<n * n).map { half[$0] + half[$0 % n * n + $0 / n] }
        var vectors = matrix
        let values = try #require(try OpenBLAS.load().symmetricEigenvalues(&vectors, n: n))
        #expect(values == values.sorted())
        for (i, value) in values.enumerated() {
            let vector = Array(vectors[i * n..<(i + 1) * n])
            let product = (0..<n).map { row in dot(Array(matrix[row * n..<(row + 1) * n]), vector) }
            for (p, v) in zip(product, vector) { #expect(abs(p - value * v) < 1e-12) }
        }
    }
}
