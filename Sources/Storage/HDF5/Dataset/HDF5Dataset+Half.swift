import CHDF5

/// float16 in the file, wider floats in memory. HDF5 1.10 would convert by itself, but some bits at a time, and
/// rounds ties away from zero; the processor does it at once, and to even.
extension HDF5Dataset {
    /// Reads a piece by way of a float16 buffer.
    func readHalves<S: HDF5Scalar>(
        _ target: UnsafeMutableBufferPointer<S>, _ read: (UnsafeMutableRawPointer) -> herr_t
    ) throws {
        try withHalves(target.count) { halves, base in
            try HDF5Library.call("read", file.path, name) { read(base) }
            if S.hdf5Type == .float32 {
                target.withMemoryRebound(to: Float.self) { target in
                    for index in target.indices { target[index] = Float(halves[index]) }
                }
            } else {
                target.withMemoryRebound(to: Double.self) { target in
                    for index in target.indices { target[index] = Double(halves[index]) }
                }
            }
        }
    }

    /// Writes a piece by way of a float16 buffer.
    func writeHalves<S: HDF5Scalar>(
        _ source: UnsafeBufferPointer<S>, _ write: (UnsafeRawPointer) -> herr_t
    ) throws {
        try withHalves(source.count) { halves, base in
            if S.hdf5Type == .float32 {
                source.withMemoryRebound(to: Float.self) { source in
                    for index in source.indices { halves[index] = Float16(source[index]) }
                }
            } else {
                source.withMemoryRebound(to: Double.self) { source in
                    for index in source.indices { halves[index] = Float16(source[index]) }
                }
            }
            try HDF5Library.call("write", file.path, name) { write(base) }
        }
    }

    /// A buffer for one piece; pieces are small enough that none is kept.
    private func withHalves(
        _ count: Int, _ body: (UnsafeMutableBufferPointer<Float16>, UnsafeMutableRawPointer) throws -> Void
    ) rethrows {
        let halves = UnsafeMutableBufferPointer<Float16>.allocate(capacity: count)
        defer { halves.deallocate() }
        guard let base = halves.baseAddress else { return }
        try body(halves, UnsafeMutableRawPointer(base))
    }
}
