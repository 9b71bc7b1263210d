import TestSupport
import Testing

@Suite("The comparison itself")
struct ComparisonTests {
    @Test("a perturbed value fails")
    func perturbed() {
        let expected = randomFloats(1000, seed: 1).doubles
        var actual = expected.map(Float.init)
        #expect(relativeError(actual, expected) < 1e-12)
        actual[500] += 1e-3
        #expect(relativeError(actual, expected) > 1e-5)
        actual[500] = .nan
        #expect(relativeError(actual, expected) == .infinity)
        #expect(relativeError(Array(actual.dropLast()), expected) == .infinity)
    }

    @Test("a perturbed value fails expectClose and expectSameBits")
    func expectations() {
        withKnownIssue { expectClose([1, 2, 3.001], [1, 2, 3], within: 1e-5, "perturbed") }
        withKnownIssue { expectSameBits([1, 0], [1, -0.0], "another zero") }
    }
}
