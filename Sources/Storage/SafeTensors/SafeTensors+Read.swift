extension SafeTensors {
    /// Reads a tensor as float32.
    ///
    /// - Returns: its elements, the last dimension fastest.
    /// - Throws: ``StorageError``, `.missing` if there is none, `.malformed` if it holds no floats.
    public func read(_ name: String) throws -> [Float] {
        let count = try entry(name).count
        return try [Float](unsafeUninitializedCapacity: count) { buffer, initialized in
            try read(name, into: UnsafeMutableBufferPointer(rebasing: buffer[..<count]))
            initialized = count
        }
    }

    /// Reads a tensor as float32 into memory, or some of its elements.
    ///
    /// - Parameters:
    ///   - start: the first element wanted.
    ///   - buffer: room for exactly the elements wanted: all from `start` on, or fewer.
    public func read(_ name: String, from start: Int = 0, into buffer: UnsafeMutableBufferPointer<Float>) throws {
        let entry = try entry(name)
        precondition(
            start >= 0 && buffer.count <= entry.count - start,
            "\(name): elements \(start) to \(start + buffer.count) of \(entry.count)")
        let offset = dataStart + entry.bytes.lowerBound + start * entry.type.byteCount
        switch entry.type {
        case .float32: try file.read(into: UnsafeMutableRawBufferPointer(buffer), at: offset)
        case .float16: try convert(at: offset, into: buffer, UInt16.self) { Float(Float16(bitPattern: $0)) }
        case .bfloat16: try convert(at: offset, into: buffer, UInt16.self) { Float(bitPattern: UInt32($0) << 16) }
        case .float64: try convert(at: offset, into: buffer, UInt64.self) { Float(Double(bitPattern: $0)) }
        case .bool, .uint8, .int8, .float8e5m2, .float8e4m3, .int16, .uint16, .int32, .uint32, .int64, .uint64:
            throw StorageError(
                .malformed, path, "tensor \(name): holds \(entry.type.rawValue); F32, F16, BF16 and F64 are read")
        }
    }

    /// Reads elements piece by piece through a small buffer.
    private func convert<Bits: FixedWidthInteger>(
        at offset: Int, into buffer: UnsafeMutableBufferPointer<Float>, _: Bits.Type, _ float: (Bits) -> Float
    ) throws {
        try withUnsafeTemporaryAllocation(of: Bits.self, capacity: 1 << 16) { piece in
            var done = 0
            while done < buffer.count {
                let count = min(piece.count, buffer.count - done)
                let part = UnsafeMutableBufferPointer(rebasing: piece[..<count])
                try file.read(
                    into: UnsafeMutableRawBufferPointer(part), at: offset + done * MemoryLayout<Bits>.stride)
                for index in 0..<count { buffer[done + index] = float(Bits(littleEndian: part[index])) }
                done += count
            }
        }
    }
}
