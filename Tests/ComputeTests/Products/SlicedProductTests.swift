import COneDNN
import TestSupport
import Testing

@testable import Compute

/// With AMX, how many rows oneDNN multiplies decides about their bits: other numbers of rows go by slices of one number.
/// Here they do, whatever the processor.
@Suite("Products by slices of rows")
struct SlicedProductTests {
    static let slice = 48

    @Test(
        "a row has the bits that it has in a whole slice, and nothing else is written",
        arguments: [(20, 36), (256, 300), (33, 17), (1028, 8), (3072, 130)],
        [Arithmetic.oneDNN] + (Processor.current.hasBFloat16 ? [.oneDNNBFloat16] : []))
    func bits(_ size: (depth: Int, columns: Int), _ arithmetic: Arithmetic) throws {
        let library = try OneDNN.load()
        try #require(arithmetic.element == .float32 || library.hasBFloat16, "oneDNN is kept from products of bfloat16")
        let columns = size.columns
        let product = library.product(
            ProductShape(
                rows: Self.slice, columns: columns, depth: size.depth, b: .packed(rows: Self.slice),
                arithmetic.element), workers: 1, like: nil)
        let place = UnsafeMutableRawPointer.allocate(byteCount: fpdm_product_packed(product), alignment: 64)
        let packed = library.packed(product, row: columns, column: 1, place)
        let bytes = fpdm_product_slices_scratch(product)
        let scratch = UnsafeMutableRawPointer.allocate(byteCount: bytes + 64, alignment: 4096)
        defer {
            scratch.deallocate()
            fpdm_packed_destroy(packed)
            place.deallocate()
            fpdm_product_destroy(product)
        }
        withWorkspace { memory in
            let weight = memory.matrix(randomFloats(size.depth * columns, seed: 1), columns: columns)
            #expect(fpdm_packed_fill(packed, weight.floats()) == 0)
            let rows = 3 * Self.slice
            let input = memory.matrix(
                randomFloats(rows * size.depth, seed: 2), columns: size.depth, arithmetic.element)
            var whole: [Float] = []
            for first in stride(from: 0, to: rows, by: Self.slice) {
                let output = memory.matrix(rows: Self.slice, columns: columns)
                #expect(fpdm_product_run(product, 0, input.row(first), nil, packed, output.floats(), scratch) == 0)
                whole += output.array(rows: Self.slice)
            }
            for count in [1, 2, 7, 47, 48, 49, 96, 100, 143] {
                for first in [0, rows - count] {
                    // So that a write behind its end is seen.
                    scratch.initializeMemory(as: UInt8.self, repeating: 0xff, count: bytes + 64)
                    let output = memory.matrix(rows: count + 1, columns: columns)
                    output.floats().update(repeating: 7, count: (count + 1) * columns)
                    let status = fpdm_product_run_slices(
                        product, 0, Int64(count), input.row(first), packed, output.floats(), scratch)
                    #expect(status == 0)
                    let values = output.array(rows: count + 1)
                    expectSameBits(
                        Array(values.prefix(count * columns)),
                        Array(whole[first * columns..<(first + count) * columns]), "\(count) rows from \(first)")
                    #expect(values.suffix(columns).allSatisfy { $0 == 7 }, "a row too many was written")
                    #expect(
                        (bytes..<bytes + 64).allSatisfy { scratch.load(fromByteOffset: $0, as: UInt8.self) == 0xff })
                }
            }
        }
    }
}
