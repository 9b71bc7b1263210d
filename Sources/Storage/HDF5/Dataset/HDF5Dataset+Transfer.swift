import CHDF5

extension HDF5Dataset {
    /// The most bytes moved while the lock is held: other threads get their turn in between.
    static let pieceBytes = 4 << 20

    /// Reads the whole data set.
    ///
    /// - Returns: `count` values, converted from the file's type.
    /// - Throws: ``StorageError``, `.malformed` if a checksum does not hold or the values are no numbers.
    public func read<S: HDF5Scalar>(_: S.Type = S.self) throws -> [S] {
        try read(S.self, start: [Int](repeating: 0, count: shape.count), count: shape)
    }

    /// Reads a box.
    ///
    /// - Parameters:
    ///   - start: its first element, an index for each dimension.
    ///   - count: its shape.
    public func read<S: HDF5Scalar>(_: S.Type = S.self, start: [Int], count: [Int]) throws -> [S] {
        try requireInside(start, count)
        let elements = try HDF5Space.count(count, file.path, name)
        return try [S](unsafeUninitializedCapacity: elements) { buffer, initialized in
            try read(into: UnsafeMutableBufferPointer(rebasing: buffer[..<elements]), start: start, count: count)
            initialized = elements
        }
    }

    /// Reads a box into memory.
    ///
    /// - Parameter buffer: room for exactly the box's elements.
    public func read<S: HDF5Scalar>(
        into buffer: UnsafeMutableBufferPointer<S>, start: [Int], count: [Int]
    ) throws {
        try requireConversion(S.self)
        let isConverted = type == .float16 && S.hdf5Type != .float16
        let memoryType = try memoryHandle(S.self)
        let base = buffer.baseAddress
        try transfer(S.self, buffer.count, start: start, count: count) { piece, fileSpace, memorySpace in
            guard let base else { return }
            if isConverted {
                try readHalves(UnsafeMutableBufferPointer(start: base + piece.offset, count: piece.elements)) {
                    halves in
                    H5Dread(handle, memoryType, memorySpace, fileSpace, fpdm_default, halves)
                }
                return
            }
            try HDF5Library.call("read", file.path, name) {
                H5Dread(handle, memoryType, memorySpace, fileSpace, fpdm_default, base + piece.offset)
            }
        }
    }

    /// Writes the whole data set.
    public func write<S: HDF5Scalar>(_ values: UnsafeBufferPointer<S>) throws {
        try write(values, start: [Int](repeating: 0, count: shape.count), count: shape)
    }

    /// Writes the whole data set.
    public func write<S: HDF5Scalar>(_ values: [S]) throws {
        try values.withUnsafeBufferPointer { try write($0) }
    }

    /// Writes a box.
    ///
    /// - Parameter values: exactly the box's elements.
    public func write<S: HDF5Scalar>(_ values: UnsafeBufferPointer<S>, start: [Int], count: [Int]) throws {
        try requireConversion(S.self)
        let isConverted = type == .float16 && S.hdf5Type != .float16
        let memoryType = try memoryHandle(S.self)
        let base = values.baseAddress
        try transfer(S.self, values.count, start: start, count: count) { piece, fileSpace, memorySpace in
            guard let base else { return }
            if isConverted {
                try writeHalves(UnsafeBufferPointer(start: base + piece.offset, count: piece.elements)) { halves in
                    H5Dwrite(handle, memoryType, memorySpace, fileSpace, fpdm_default, halves)
                }
                return
            }
            try HDF5Library.call("write", file.path, name) {
                H5Dwrite(handle, memoryType, memorySpace, fileSpace, fpdm_default, base + piece.offset)
            }
        }
    }

    /// Moves a box piece by piece, each under the lock.
    private func transfer<S: HDF5Scalar>(
        _: S.Type, _ elements: Int, start: [Int], count: [Int],
        _ body: (_ piece: BoxPieces.Piece, _ fileSpace: hid_t, _ memorySpace: hid_t) throws -> Void
    ) throws {
        try requireInside(start, count)
        let wanted = try HDF5Space.count(count, file.path, name)
        precondition(elements == wanted, "\(name): memory of \(elements) elements for \(wanted) in \(count)")
        // The larger of both types: HDF5 converts in a buffer of its own.
        let width = max(MemoryLayout<S>.stride, type.byteCount ?? 1)
        let pieces = BoxPieces(start: start, count: count, limit: Self.pieceBytes / width, chunk: chunk)
        for piece in pieces {
            try withHandle { handle in
                let fileSpace = try HDF5Library.call("examine", file.path, name) { H5Dget_space(handle) }
                defer { H5Sclose(fileSpace) }
                try HDF5Space.select(fileSpace, start: piece.start, count: piece.count, file.path, name)
                // Of the box's shape, not a plain row: between unlike shapes HDF5 maps chunks element by element,
                // over ten times slower.
                let memorySpace = try HDF5Space.create(shape: piece.count, file.path, name)
                defer { H5Sclose(memorySpace) }
                try body(piece, fileSpace, memorySpace)
            }
        }
    }

    private func requireInside(_ start: [Int], _ count: [Int]) throws {
        let isInside =
            start.count == shape.count && count.count == shape.count
            && zip(zip(start, count), shape).allSatisfy { box, length in
                let (start, count) = box
                return start >= 0 && count >= 0 && start <= length && count <= length - start
            }
        if !isInside { throw error(.malformed, "\(count) from \(start) on does not lie in the shape \(shape)") }
    }

    /// Whether values go between the file's type and this one.
    private func requireConversion<S: HDF5Scalar>(_: S.Type) throws {
        let isFloat =
            switch S.hdf5Type {
            case .float16, .float32, .float64: true
            default: false
            }
        switch type {
        case .string: throw error(.malformed, "holds text, not numbers")
        case .bool: throw error(.malformed, "holds bools, not numbers")
        case .float16, .other:
            // HDF5 1.10 makes wrong integers of unusual floats: -3 in float16 becomes -9223370937343148035.
            if !isFloat { throw error(.malformed, "holds \(type), which is read and written as floats only") }
        case .float32, .float64, .int8, .int16, .int32, .int64, .uint8, .uint16, .uint32, .uint64: break
        }
    }

    /// The type in memory while HDF5 moves the values: float16 is converted by us.
    private func memoryHandle<S: HDF5Scalar>(_: S.Type) throws -> hid_t {
        try HDF5Library.locked { try (type == .float16 ? .float16 : S.hdf5Type).memoryHandle(file.path) }
    }
}
