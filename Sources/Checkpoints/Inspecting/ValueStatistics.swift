import Compute

/// What a tensor's values are like, of those that are finite.
///
/// Sums are taken in double in the order of the values, so that they are the same to the bit however a tensor is cut
/// into pieces.
struct ValueStatistics {
    /// How many values are NaN.
    private(set) var nan = 0
    /// How many are infinite.
    private(set) var infinite = 0
    private var finite = 0
    private var least = Float.infinity
    private var largest = -Float.infinity
    private var squares = 0.0
    /// The first finite value. Distances from it are summed beside squares: a deviation that is small against the mean
    /// would be lost in those.
    private var origin = 0.0
    private var distances = 0.0
    private var squaredDistances = 0.0

    mutating func add(_ values: FloatBuffer) {
        for value in values.readable {
            guard value.isFinite else {
                if value.isNaN { nan += 1 } else { infinite += 1 }
                continue
            }
            let number = Double(value)
            if finite == 0 { origin = number }
            finite += 1
            least = min(least, value)
            largest = max(largest, value)
            squares += number * number
            distances += number - origin
            squaredDistances += (number - origin) * (number - origin)
        }
    }

    /// The root of the sum of squares.
    var norm: Double { squares.squareRoot() }
    /// NaN where no value is finite, as are the following.
    var minimum: Double { finite == 0 ? .nan : Double(least) }
    var maximum: Double { finite == 0 ? .nan : Double(largest) }
    var mean: Double { finite == 0 ? .nan : origin + distances / Double(finite) }
    /// The root of the mean squared distance from the mean.
    var deviation: Double {
        guard finite > 0 else { return .nan }
        let shift = distances / Double(finite)
        return max(0, squaredDistances / Double(finite) - shift * shift).squareRoot()
    }
}
