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

    /// Reads a tensor as float32 into memory.
    ///
    /// - Parameter buffer: room for exactly the tensor's elements.
    public func read(_ name: String, into buffer: UnsafeMutableBufferPointer<Float>) throws {
        let entry = try entry(name)
        precondition(buffer.count == entry.count, "\(name): room for \(buffer.count) elements of \(entry.count)")
        switch entry.type {
        case .float32:
            try file.read(into: UnsafeMutableRawBufferPointer(buffer), at: dataStart + entry.bytes.lowerBound)
        case .float16: try convert(entry, into: buffer, UInt16.self) { Float(Float16(bitPattern: $0)) }
        case .bfloat16: try convert(entry, into: buffer, UInt16.self) { Float(bitPattern: UInt32($0) << 16) }
        case .float64: try convert(entry, into: buffer, UInt64.self) { Float(Double(bitPattern: $0)) }
        case .bool, .uint8, .int8, .float8e5m2, .float8e4m3, .int16, .uint16, .int32, .uint32, .int64, .uint64:
            throw StorageError(
                .malformed, path, "tensor \(name): holds \(entry.type.rawValue); F32, F16, BF16 and F64 are read")
        }
    }

    /// Reads a tensor piece by piece through a small buffer.
    private func convert<Bits: FixedWidthInteger>(
        _ entry: Entry, into buffer: UnsafeMutableBufferPointer<Float>, _: Bits.Type, _ float: (Bits) -> Float
    ) throws {
        try withUnsafeTemporaryAllocation(of: Bits.self, capacity: 1 << 16) { piece in
            var done = 0
            while done < buffer.count {
                let count = min(piece.count, buffer.count - done)
                let part = UnsafeMutableBufferPointer(rebasing: piece[..<count])
                let offset = dataStart + entry.bytes.lowerBound + done * MemoryLayout<Bits>.stride
                try file.read(into: UnsafeMutableRawBufferPointer(part), at: offset)
                for index in 0..<count { buffer[done + index] = float(Bits(littleEndian: part[index])) }
                done += count
            }
        }
    }
}
