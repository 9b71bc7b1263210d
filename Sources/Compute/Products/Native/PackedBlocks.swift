/// A product's B packed by blocks of columns (`ColumnBlocks`), as floats or as pairs of bfloat16: where a part of a block
/// stands, and what is read after it.
///
/// A product goes part by part along the depth, and through all blocks in each.
struct PackedBlocks<Word> {
    let start: UnsafePointer<Word>
    let blocks: ColumnBlocks
    let depth: Int
    /// Steps along the depth of a part, and of a word; a part is a whole number of words.
    let partDepth, stepsPerWord: Int

    /// A block from a step along the depth on.
    @inline(__always)
    func place(_ block: ColumnBlocks.Block, from first: Int) -> UnsafePointer<Word> {
        let words = (depth + stepsPerWord - 1) / stepsPerWord
        return start + block.first * words + first / stepsPerWord * block.width
    }

    /// What follows a block's part that begins at `first`.
    @inline(__always)
    func next(after number: Int, from first: Int) -> NextBlock {
        let (block, from) = number + 1 < blocks.count ? (blocks[number + 1], first) : (blocks[0], first + partDepth)
        guard from < depth else { return .nothing }
        return .whole(place(block, from: from), row: block.width * MemoryLayout<Word>.stride / stepsPerWord)
    }
}
