import Storage

extension CheckpointRankFile {
    /// Opens a piece's data set and checks type, shape and place.
    ///
    /// - Returns: it, and the checksum of all its values as it was recorded.
    /// - Throws: ``CheckpointError``, `.damaged`, if the piece is missing or is another.
    static func open(
        _ piece: CheckpointIndex.Piece, of tensor: CheckpointIndex.Tensor, in file: HDF5File
    ) throws -> (values: HDF5Dataset, crc: UInt32) {
        let place = "/\(tensor.path)"
        func damage(_ message: String) -> CheckpointError {
            CheckpointError(.damaged, file.path, "\(place): \(message)")
        }
        let dataset = try file.dataset(place)
        let shape = [piece.rows.count] + tensor.shape.dropFirst()
        guard dataset.type == .float32, dataset.shape == shape else {
            throw damage("should be float32 of shape \(shape), is \(dataset.type) of shape \(dataset.shape)")
        }
        guard try file.attribute("tensor", of: place) == tensor.path,
            try file.attribute("start_row", of: place) == piece.rows.lowerBound,
            try file.attribute("shape", of: place) == tensor.shape
        else { throw damage("is a piece of another tensor, or of another place in it") }
        let number: Int = try file.attribute("crc32c", of: place)
        guard let crc = UInt32(exactly: number) else { throw damage("its checksum is none: \(number)") }
        return (dataset, crc)
    }
}
