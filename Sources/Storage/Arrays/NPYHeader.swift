import Foundation

/// What a `.npy` file says before its values (NEP 1, versions 1 to 3): a Python dictionary of three entries, as text.
struct NPYHeader {
    let shape: [Int]
    let type: NumberType
    /// Whether the first index runs fastest.
    let isFortran: Bool
    /// Of the header itself.
    let bytes: Int

    /// More than any header of plain numbers takes.
    static let mostBytes = 1 << 16

    /// - Parameters:
    ///   - start: the file's first bytes.
    ///   - length: of the whole file.
    init(_ start: [UInt8], length: Int, _ path: String) throws {
        func malformed(_ message: String) -> StorageError { StorageError(.malformed, path, message) }
        guard start.starts(with: [0x93] + Array("NUMPY".utf8)), start.count >= 12 else {
            throw malformed("is no .npy file, or damaged: it does not begin as one; copy it anew")
        }
        let lengthBytes = start[6] == 1 ? 2 : 4
        let headerLength = start[8..<8 + lengthBytes].reversed().reduce(0) { $0 << 8 | Int($1) }
        bytes = 8 + lengthBytes + headerLength
        guard (1...3).contains(start[6]), bytes <= start.count else {
            throw malformed("has a header of unknown version or length; save it anew with numpy.save")
        }
        let text = String(decoding: start[(8 + lengthBytes)..<bytes], as: UTF8.self)
        guard let order = text.firstMatch(of: /'fortran_order': *(True|False)/),
            let sizes = text.firstMatch(of: /'shape': *\(([0-9, L]*)\)/)
        else { throw malformed("has a header that cannot be read: \(text.prefix(80).filter { !$0.isNewline })") }
        guard let description = text.firstMatch(of: /'descr': *'([^']*)'/), let type = NumberType(description.1) else {
            let found = text.firstMatch(of: /'descr': *('[^']*'|\[[^\]]*\])/).map { String($0.1) } ?? "of no type"
            throw malformed("holds \(found), not plain numbers; save an array of numbers")
        }
        (self.type, isFortran) = (type, order.1 == "True")
        let lengths = sizes.1.split(separator: ",").map { $0.filter(\.isNumber) }.filter { !$0.isEmpty }
        shape = try lengths.map { text in
            guard let number = Int(text) else { throw malformed("has a shape beyond reason: \(sizes.1)") }
            return number
        }
        var count = type.width
        for number in shape {
            let (product, overflow) = count.multipliedReportingOverflow(by: number)
            if overflow { throw malformed("has a shape beyond reason: \(shape)") }
            count = product
        }
        guard length - bytes == count else {
            throw malformed(
                "should hold \(count) bytes of values \(shape) and holds \(length - bytes); it is truncated or damaged: "
                    + "copy it anew")
        }
    }

    /// Values whose first index runs fastest, put into the order in which the last one does.
    func inOrderOfC(_ values: ArraySlice<UInt8>) -> [UInt8] {
        let width = type.width
        var strides: [Int] = []
        var stride = width
        for length in shape {
            strides.append(stride)
            stride *= length
        }
        var result: [UInt8] = []
        result.reserveCapacity(values.count)
        var index = [Int](repeating: 0, count: shape.count)
        var offset = values.startIndex
        for _ in 0..<values.count / width {
            result += values[offset..<offset + width]
            for axis in shape.indices.reversed() {
                index[axis] += 1
                offset += strides[axis]
                if index[axis] < shape[axis] { break }
                offset -= strides[axis] * shape[axis]
                index[axis] = 0
            }
        }
        return result
    }
}
