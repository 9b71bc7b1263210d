import Compute
import TestSupport
import Testing

@Suite("OpenBLAS and tiles")
struct OpenBLASTests {
    @Test("it says which kernels it runs")
    func names() throws {
        let library = try OpenBLAS.load()
        #expect(!library.coreName.isEmpty && library.name.contains(library.coreName))
        #expect(library.configuration.contains("OpenBLAS"))
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

    @Test("rows are padded to whole tiles")
    func padding() {
        #expect([0, 1, 127, 128, 129].map(Tiling.tokens.padded) == [0, 128, 128, 128, 256])
        #expect([1, 16, 17].map(Tiling.samples.padded) == [8, 16, 24])
    }
}
