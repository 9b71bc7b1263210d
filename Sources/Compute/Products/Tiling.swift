/// How matrix products are cut into tasks: by shape alone, never by the number of threads or of rows.
///
/// Every product over rows is made in tiles of the same number of rows, the last one padded, because a BLAS may
/// give a row other bits when the number of rows changes. So a sample's values depend neither on what shares its
/// batch nor on how much does. Its position in the batch may matter: OpenBLAS's Haswell kernels (Haswell, Zen)
/// round differently by a row's position in its tile, whatever the tile's size; its AVX-512 kernels do not. Buffers
/// that a product reads or writes by rows therefore hold a whole number of tiles.
public struct Tiling: Equatable, Sendable {
    /// Rows of one tile.
    public var rows: Int

    /// For matrices with a row for each token.
    public static let tokens = Tiling(rows: 128)
    /// For matrices with a row for each sample.
    public static let samples = Tiling(rows: 8)

    /// `count` rounded up to whole tiles: the rows that a buffer must hold.
    public func padded(_ count: Int) -> Int { (count + rows - 1) / rows * rows }

    /// Columns of one tile of a matrix with `columns`: all, or equal parts of at most 1024.
    static func columnTile(_ columns: Int) -> Int {
        if columns <= 1024 { return columns }
        let parts = (columns + 1023) / 1024
        return ((columns + parts - 1) / parts + 15) / 16 * 16
    }
}
