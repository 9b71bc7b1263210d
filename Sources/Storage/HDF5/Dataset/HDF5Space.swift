import CHDF5

/// Shapes as HDF5 sees them.
enum HDF5Space {
    /// A space of this shape; `[]` is a single value. The caller closes it. Under the lock.
    static func create(shape: [Int], _ path: String, _ object: String) throws -> hid_t {
        guard !shape.isEmpty else {
            return try HDF5Library.call("describe the shape", path, object) { H5Screate(H5S_SCALAR) }
        }
        guard let rank = Int32(exactly: shape.count) else {
            throw StorageError(.malformed, path, "\(object): has too many dimensions")
        }
        let sizes = try HDF5Library.sizes(shape, "the shape", path, object)
        return try HDF5Library.call("describe the shape \(shape)", path, object) {
            H5Screate_simple(rank, sizes, nil)
        }
    }

    /// The shape of a space: `[]` for a single value, `[0]` for the null space. Under the lock.
    static func shape(of space: hid_t, _ path: String, _ object: String) throws -> [Int] {
        if H5Sget_simple_extent_type(space) == H5S_NULL { return [0] }
        let rank = try HDF5Library.call("examine the shape", path, object) { H5Sget_simple_extent_ndims(space) }
        var sizes = [hsize_t](repeating: 0, count: Int(rank))
        try HDF5Library.call("examine the shape", path, object) {
            H5Sget_simple_extent_dims(space, &sizes, nil)
        }
        return try HDF5Library.integers(sizes, path, object)
    }

    /// The number of elements of a shape.
    static func count(_ shape: [Int], _ path: String, _ object: String) throws -> Int {
        // A zero anywhere is an empty array, however large the rest.
        if shape.contains(0) { return 0 }
        return try shape.reduce(1) { count, length in
            let (product, overflow) = count.multipliedReportingOverflow(by: length)
            if overflow || length < 0 {
                throw StorageError(.malformed, path, "\(object): the shape \(shape) is beyond reason")
            }
            return product
        }
    }

    /// Selects a box in a space. Under the lock.
    static func select(
        _ space: hid_t, start: [Int], count: [Int], _ path: String, _ object: String
    ) throws {
        guard !start.isEmpty else { return }
        let starts = try HDF5Library.sizes(start, "the start", path, object)
        let counts = try HDF5Library.sizes(count, "the count", path, object)
        try HDF5Library.call("select \(count) at \(start)", path, object) {
            H5Sselect_hyperslab(space, H5S_SELECT_SET, starts, nil, counts, nil)
        }
    }
}

/// A box of a data set, cut into pieces that lie one behind the other in the box's memory.
struct BoxPieces: Sequence {
    struct Piece: Equatable {
        let start: [Int]
        let count: [Int]
        /// Of the first element, in the box.
        let offset: Int
        let elements: Int
    }

    private let start: [Int]
    private let count: [Int]
    /// The dimension that is cut: those before go one by one, those after are whole.
    private let axis: Int
    private let step: Int
    /// Elements of one step along `axis`.
    private let inner: Int

    /// - Parameters:
    ///   - limit: the most elements of a piece, as long as a chunk has fewer.
    ///   - chunk: the data set's chunk; pieces end at its borders, so that no chunk is unpacked twice.
    init(start: [Int], count: [Int], limit: Int, chunk: [Int]?) {
        self.start = start
        self.count = count
        var axis = Swift.max(count.count - 1, 0)
        var inner = 1
        while axis > 0, inner * count[axis] <= limit {
            inner *= count[axis]
            axis -= 1
        }
        var step = Swift.max(1, limit / Swift.max(inner, 1))
        if let chunk, axis < chunk.count {
            let length = chunk[axis]
            step = step >= length ? step / length * length : (length * inner <= 4 * limit ? length : step)
        }
        self.axis = axis
        self.inner = inner
        self.step = step
    }

    func makeIterator() -> AnyIterator<Piece> {
        if count.contains(0) { return AnyIterator { nil } }
        guard !count.isEmpty else {
            return AnyIterator(CollectionOfOne(Piece(start: [], count: [], offset: 0, elements: 1)).makeIterator())
        }
        var position = start
        var offset = 0
        var isDone = false
        return AnyIterator {
            guard !isDone else { return nil }
            let end = start[axis] + count[axis]
            // To the next multiple of the step, counted from the data set's start.
            let next = Swift.min((position[axis] / step + 1) * step, end)
            var pieceCount = count
            for before in 0..<axis { pieceCount[before] = 1 }
            pieceCount[axis] = next - position[axis]
            let piece = Piece(
                start: position, count: pieceCount, offset: offset, elements: pieceCount[axis] * inner)
            offset += piece.elements
            position[axis] = next
            if next == end {
                position[axis] = start[axis]
                var carry = axis - 1
                while carry >= 0 {
                    position[carry] += 1
                    if position[carry] < start[carry] + count[carry] { break }
                    position[carry] = start[carry]
                    carry -= 1
                }
                isDone = carry < 0
            }
            return piece
        }
    }
}
