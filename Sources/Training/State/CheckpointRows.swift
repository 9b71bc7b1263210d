import Compute
import Model

/// Which rows of each tensor a rank saves and reads: those of its slice, cut at row borders.
///
/// A row that a slice's border runs through goes to the owner of its first value, whose saved range then ends behind
/// its slice: by a *tail* that the owners of those values send it before a save.
struct CheckpointRows {
    private let table: ParameterTable
    private let slices: FlatSlices

    init(_ table: ParameterTable, _ slices: FlatSlices) {
        self.table = table
        self.slices = slices
    }

    /// Rows whose first value lies in the rank's slice.
    func saved(_ parameter: Parameter, by rank: Int) -> Range<Int> {
        let slice = slices[rank]
        return firstRow(of: parameter, from: slice.lowerBound)..<firstRow(of: parameter, from: slice.upperBound)
    }

    /// The place of some rows of a tensor in the flat vector.
    static func range(_ parameter: Parameter, rows: Range<Int>) -> Range<Int> {
        let (start, length) = (parameter.range.lowerBound, rowLength(parameter))
        return start + rows.lowerBound * length..<start + rows.upperBound * length
    }

    /// The stretch of the flat vector from the first row that the rank saves to behind the last: those of all ranks lie one
    /// behind the other.
    func whole(by rank: Int) -> Range<Int> {
        let slice = slices[rank]
        return rowStart(from: slice.lowerBound)..<rowStart(from: slice.upperBound)
    }

    /// The first row that starts at `border` or behind it; `border` itself between tensors.
    private func rowStart(from border: Int) -> Int {
        guard let cut = table.parameters.first(where: { $0.range.contains(border) }) else { return border }
        return Self.range(cut, rows: 0..<firstRow(of: cut, from: border)).upperBound
    }

    /// Values behind the rank's slice that complete the last row it saves; starts at the slice's end.
    func tail(of rank: Int) -> Range<Int> {
        let slice = slices[rank]
        let end = slice.upperBound
        guard !slice.isEmpty, let cut = table.parameters.first(where: { $0.range.contains(end) }) else {
            return end..<end
        }
        let rows = saved(cut, by: rank)
        return end..<(rows.isEmpty ? end : max(end, Self.range(cut, rows: rows).upperBound))
    }

    /// Values of the rank's slice and its tail.
    func count(of rank: Int) -> Int { slices[rank].count + tail(of: rank).count }

    /// The first row that starts at `border` or behind it.
    private func firstRow(of parameter: Parameter, from border: Int) -> Int {
        let length = Self.rowLength(parameter)
        let offset = max(0, border - parameter.range.lowerBound)
        return min(parameter.shape[0], (offset + length - 1) / length)
    }

    private static func rowLength(_ parameter: Parameter) -> Int {
        max(1, parameter.range.count / max(1, parameter.shape[0]))
    }
}
