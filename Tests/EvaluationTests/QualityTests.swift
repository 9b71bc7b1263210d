import Compute
import Evaluation
import Sampling
import TestSupport
import Testing

@Suite("Quality of samples")
struct QualityTests {
    private let pool: WorkerPool

    init() throws { pool = try WorkerPool(threads: 2) }

    @Test("real digits look like themselves")
    func themselves() throws {
        let digits = try digits()
        let images = try digits.allImages().images
        let agreement = NearestNeighbour.agreement(
            images, labels: digits.classLabels, real: images, realLabels: digits.classLabels, width: 64, pool: pool)
        #expect(agreement == 1)
    }

    @Test("with shuffled labels one in ten agrees")
    func shuffled() throws {
        let digits = try digits()
        let images = try digits.allImages().images
        let order = IndexPermutation(count: digits.count, seed: 1, purpose: 251, epoch: 0)
        let labels = (0..<digits.count).map { digits.classLabels[order[$0]] }
        let agreement = NearestNeighbour.agreement(
            images, labels: labels, real: images, realLabels: digits.classLabels, width: 64, pool: pool)
        // The deviation is 0.7 %.
        #expect(agreement > 0.07 && agreement < 0.13, "\(agreement)")
    }

    @Test("the nearest image votes, and the share counts")
    func nearest() {
        // Two real images on a line; odd width, so that a slip in the stride shows.
        let real: [Float] = [0, 0, 0, 1, 1, 1]
        let samples: [Float] = [0.1, 0, 0.2, 0.9, 1.2, 0.7, 0.4, 0.4, 0.4, .nan, 0, 0]
        func agreement(_ labels: [Int32]) -> Double {
            NearestNeighbour.agreement(samples, labels: labels, real: real, realLabels: [7, 3], width: 3, pool: pool)
        }
        #expect(agreement([7, 3, 7, 7]) == 0.75)
        #expect(agreement([3, 7, 3, 3]) == 0)
        #expect(agreement([7, 7, 7, 7]) == 0.5)
    }

    private func file(_ images: [Float], classes: [Int32]?, channels: Int = 1, side: Int = 8) -> SampleFile {
        SampleFile(channels: channels, side: side, images: images, classes: classes, metadata: [:])
    }

    @Test("of the digits themselves")
    func digitsAsSamples() throws {
        let digits = try digits()
        let contents = try digits.allImages()
        let part = Array(contents.images.prefix(300 * 64))
        let classes = contents.classes.map { Array($0.prefix(300)) }
        let quality = try Quality(file(part, classes: classes), against: digits, pool: pool)
        #expect(quality.samples == 300 && quality.realImages == 1797 && quality.neighbourAgreement == 1)
        let distance = try #require(quality.frechetDistance)
        #expect(distance > 0.05 && distance < 1)
        // Clamped: samples may overshoot what pixels can be, and pixels at the ends are alike then.
        let beyond = part.map { $0.magnitude == 1 ? $0 * 3 : $0 }
        #expect(try Quality(file(beyond, classes: nil), against: digits, pool: pool).frechetDistance == distance)
        #expect(try Quality(file(part, classes: nil), against: digits, pool: pool).neighbourAgreement == nil)
    }

    @Test("real images that were held out go through the same measures, as many as there are samples")
    func heldOut() throws {
        let digits = try digits()
        let blank = file([Float](repeating: 0, count: 30 * 64), classes: [Int32](repeating: 1, count: 30))
        let quality = try Quality(blank, against: digits, heldOut: digits, pool: pool)
        let heldOut = try #require(quality.heldOut)
        #expect(heldOut.images == 30 && heldOut.neighbourAgreement == 1)
        #expect(try #require(heldOut.frechetDistance) < #require(quality.frechetDistance) / 2)
        #expect(try Quality(blank, against: digits, pool: pool).heldOut == nil)
    }

    @Test("samples that are not numbers have no distance")
    func notFinite() throws {
        let digits = try digits()
        var part = Array(try digits.allImages().images.prefix(20 * 64))
        part[70] = .nan
        let quality = try Quality(
            file(part, classes: Array(digits.classLabels.prefix(20))), against: digits, pool: pool)
        #expect(quality.frechetDistance == nil && quality.neighbourAgreement == 0.95)
    }

    @Test("what cannot be compared is refused")
    func refused() throws {
        let digits = try digits()
        let other = statedFailure {
            _ = try Quality(file([Float](repeating: 0, count: 64), classes: nil, side: 4), against: digits, pool: pool)
        }
        #expect(other?.status == .badData && other?.description.contains("1 x 4 x 4") == true)
        let single = statedFailure {
            _ = try Quality(file([Float](repeating: 0, count: 64), classes: [1]), against: digits, pool: pool)
        }
        #expect(single?.status == .badData && single?.description.contains("--count") == true)
    }
}
