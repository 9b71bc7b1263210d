import Datasets
import Storage

/// Writes a data set whose images lie as told, with classes as labels, if any.
///
/// - Parameter digests: whether samples have digests.
public func writeShards(
    _ source: MadeUpSource, to base: String, shards: Int, _ layout: DatasetLayout, digests: Bool = true
) throws {
    let name = DatasetName(base)
    for shard in 0..<shards {
        let range = source.count * shard / shards..<source.count * (shard + 1) / shards
        let file = try HDF5File.create(name.shard(shard, of: shards))
        try file.setAttribute("version", 1)
        try file.setAttribute("content", "pixels")
        try file.setAttribute("scale", source.scaling.scale)
        try file.setAttribute("shift", source.scaling.shift)
        let shape = [range.count, source.channels, source.side, source.side]
        let values = range.flatMap { source.stored($0) }
        var crcs: [UInt32] = []
        func write<Element: HDF5Scalar>(_ type: HDF5Type, _ values: [Element]) throws {
            try file.createDataset("/images", type, shape: shape, layout: layout).write(values)
            values.withUnsafeBytes { bytes in
                let length = bytes.count / range.count
                crcs = range.indices.map { index in
                    let start = (index - range.lowerBound) * length
                    return CRC32C.of(UnsafeRawBufferPointer(rebasing: bytes[start..<start + length]))
                }
            }
        }
        switch source.type {
        case .uint8: try write(.uint8, values.map { UInt8($0) })
        case .float32: try write(.float32, values)
        }
        if digests { try file.createDataset("/digests", .uint32, shape: [range.count]).write(crcs) }
        switch source.labels {
        case .none: break
        case .classes:
            try file.createDataset("/labels", .int32, shape: [range.count]).write(range.map { source.classLabel($0) })
        case .continuous(let length):
            try file.createDataset("/labels", .float32, shape: [range.count, length], layout: .chunked([3, length]))
                .write(range.flatMap { source.vector($0) })
        }
        try file.close()
    }
}
