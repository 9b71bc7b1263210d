import Storage

extension HDF5Dataset {
    /// Reads all rows in order, through a small buffer: whole chunks at a time, where they are not huge.
    ///
    /// - Parameter body: takes the values of some rows; each row comes once.
    func forEachRun<Element: HDF5Scalar>(
        _: Element.Type, _ body: (UnsafeBufferPointer<Element>) throws -> Void
    ) throws {
        let rows = shape[0]
        guard rows > 0 else { return }
        let rowBytes = max(count / rows * MemoryLayout<Element>.stride, 1)
        let few = max((4 << 20) / rowBytes, 1)
        let chunkRows = chunk?[0] ?? 1
        // HDF5 unpacks a chunk anew for each call that touches it, if it does not fit into its cache.
        let step = chunkRows <= few ? few / chunkRows * chunkRows : min(chunkRows, max((64 << 20) / rowBytes, 1))
        for start in stride(from: 0, to: rows, by: step) {
            let box = [min(step, rows - start)] + shape[1...]
            let values = try read(Element.self, start: [start] + shape.dropFirst().map { _ in 0 }, count: box)
            try values.withUnsafeBufferPointer(body)
        }
    }
}
