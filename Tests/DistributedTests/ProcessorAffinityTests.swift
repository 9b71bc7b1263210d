import Testing

@testable import Distributed

@Suite("Cores and the ranks that share them")
struct ProcessorAffinityTests {
    @Test("this process has cores, in ascending order")
    func own() {
        let mask = ProcessorAffinity.mask
        #expect(!mask.isEmpty && mask == mask.sorted() && ProcessorAffinity.coreCount == mask.count)
    }

    @Test("bits are core numbers across words")
    func bits() {
        #expect(ProcessorAffinity.cores(in: [0b1011, 0, 1 << 63]) == [0, 1, 3, 191])
        #expect(ProcessorAffinity.cores(in: []) == [])
    }

    @Test("ranks bound to distinct cores keep theirs")
    func bound() {
        let masks = [[0, 1, 2], [3, 4], [5]]
        #expect(masks.indices.map { ProcessorAffinity.threads(ofRank: $0, masks: masks) } == [3, 2, 1])
    }

    @Test("unbound ranks divide the node", arguments: [(1, 8), (2, 4), (3, 2), (8, 1), (9, 1)])
    func unbound(ranks: Int, threads: Int) {
        let masks = [[Int]](repeating: Array(0..<8), count: ranks)
        for rank in 0..<ranks { #expect(ProcessorAffinity.threads(ofRank: rank, masks: masks) == threads) }
    }

    @Test("two ranks on each of two sockets divide their own socket")
    func sockets() {
        let masks = [Array(0..<4), Array(4..<8), Array(0..<4), Array(4..<8)]
        for rank in 0..<4 { #expect(ProcessorAffinity.threads(ofRank: rank, masks: masks) == 2) }
    }

    @Test("an unknown mask is one thread")
    func unknown() {
        #expect(ProcessorAffinity.threads(ofRank: 0, masks: [[], []]) == 1)
    }
}
