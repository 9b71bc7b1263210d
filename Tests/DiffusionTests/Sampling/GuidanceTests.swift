import Diffusion
import Testing

@Suite struct GuidanceTests {
    private let conditional: [Float] = [1, 2, 3, 4, 5, 6, 7, 8]
    private let unconditional: [Float] = [0, 1, 1, 1, 0, 0, 0, 0]

    private func combine(scale: Double, guided: Int?) -> [Float] {
        var result = [Float](repeating: .nan, count: 8)
        Guidance.combine(
            conditional: conditional, unconditional: unconditional, scale: scale, guidedChannels: guided, channels: 2,
            outputChannels: 4, pixels: 2, into: &result)
        return result
    }

    @Test func onlyTheFirstChannelsAreGuided() {
        #expect(combine(scale: 4, guided: 1) == [4, 5, 3, 4, 5, 6, 7, 8])
        #expect(combine(scale: 4, guided: 3) == [4, 5, 9, 13, 20, 24, 7, 8])
        #expect(combine(scale: 4, guided: 0) == conditional)
    }

    @Test func imageChannelsByDefault() { #expect(combine(scale: 2, guided: nil) == [2, 3, 5, 7, 5, 6, 7, 8]) }

    @Test func scaleOneIsConditionalAndZeroUnconditional() {
        #expect(combine(scale: 1, guided: 4) == conditional)
        #expect(combine(scale: Guidance.scaleLimit.lowerBound, guided: 4) == unconditional)
    }
}
