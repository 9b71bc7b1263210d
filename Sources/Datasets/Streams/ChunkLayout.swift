import Storage

/// How a data set's samples lie in its files: in shards, and there in chunks, each read as a whole.
///
/// Chunks are numbered through all shards; none crosses a shard's end.
public struct ChunkLayout: Equatable, Sendable {
    /// A file of the data set.
    public struct Shard: Equatable, Sendable {
        public let samples: Int
        /// Samples of a chunk; the last one's may be fewer.
        public let chunkSamples: Int

        public init(samples: Int, chunkSamples: Int) {
            precondition(samples >= 0 && chunkSamples > 0, "\(samples) samples in chunks of \(chunkSamples)")
            (self.samples, self.chunkSamples) = (samples, chunkSamples)
        }
    }

    public let shards: [Shard]
    /// The first sample of each shard, then the number of all.
    private let firstSamples: [Int]
    /// The first chunk of each shard, then the number of all.
    private let firstChunks: [Int]
    /// Samples of most chunks.
    let usualSamples: Int
    /// The chunks of other sizes, rising: as a rule the last one of each shard.
    let unusual: [Int]

    /// - Precondition: there is a sample.
    public init(_ shards: [Shard]) {
        self.shards = shards
        var (samples, chunks) = ([0], [0])
        var full: [Int: Int] = [:]
        for (index, shard) in shards.enumerated() {
            samples.append(samples[index] + shard.samples)
            chunks.append(chunks[index] + (shard.samples + shard.chunkSamples - 1) / shard.chunkSamples)
            full[shard.chunkSamples, default: 0] += shard.samples / shard.chunkSamples
        }
        (firstSamples, firstChunks) = (samples, chunks)
        // The larger of two that are equally many: a dictionary has no order.
        let usual = full.max { ($0.value, $0.key) < ($1.value, $1.key) }?.key ?? 1
        usualSamples = usual
        var unusual: [Int] = []
        for (index, shard) in shards.enumerated() {
            let range = chunks[index]..<chunks[index + 1]
            if shard.chunkSamples != usual { unusual += range.dropLast() }
            if let last = range.last, shard.samples - (range.count - 1) * shard.chunkSamples != usual {
                unusual.append(last)
            }
        }
        self.unusual = unusual
        precondition(sampleCount > 0, "a data set without samples")
    }

    /// N, the number of all samples.
    public var sampleCount: Int { firstSamples[shards.count] }
    /// The number of all chunks.
    public var chunkCount: Int { firstChunks[shards.count] }

    /// The samples of a chunk, which lie one after the other.
    public func samples(ofChunk chunk: Int) -> Range<Int> {
        let shard = Self.last(in: firstChunks, notAbove: chunk)
        let start = firstSamples[shard] + (chunk - firstChunks[shard]) * shards[shard].chunkSamples
        return start..<min(start + shards[shard].chunkSamples, firstSamples[shard + 1])
    }

    /// The chunk that a sample lies in.
    public func chunk(ofSample sample: Int) -> Int {
        let shard = Self.last(in: firstSamples, notAbove: sample)
        return firstChunks[shard] + (sample - firstSamples[shard]) / shards[shard].chunkSamples
    }

    /// The last of those in a rising list that do not exceed a value. Of equal ones only the last one's shard holds
    /// anything.
    private static func last(in starts: [Int], notAbove value: Int) -> Int {
        precondition(value >= 0 && value < starts[starts.count - 1], "\(value) of \(starts[starts.count - 1])")
        var (low, high) = (0, starts.count)
        while high - low > 1 {
            let middle = (low + high) / 2
            if starts[middle] <= value { low = middle } else { high = middle }
        }
        return low
    }
}

/// What checkpoints record of it, where it decides about the order of samples:
///
///     2 shards, 1797 samples in 2 chunks; 1a2b3c4d
///
/// The last number is the CRC-32C of each shard's samples and its chunks'.
extension ChunkLayout: CustomStringConvertible {
    public var description: String {
        let text = shards.map { "\($0.samples) in \($0.chunkSamples)" }.joined(separator: ", ")
        let crc = Array(text.utf8).withUnsafeBytes { CRC32C.of($0) }
        return "\(shards.count) shards, \(sampleCount) samples in \(chunkCount) chunks; \(crc.hex)"
    }
}

extension Shard {
    /// Bytes of images that lie in one piece and are read at once.
    private static let pieceBytes = 64 << 10

    /// How its images lie.
    var chunkLayout: ChunkLayout.Shard {
        let sampleBytes = images.shape.dropFirst().reduce(images.type.byteCount ?? 1, *)
        return ChunkLayout.Shard(
            samples: count, chunkSamples: max(images.chunk?[0] ?? Self.pieceBytes / sampleBytes, 1))
    }
}
