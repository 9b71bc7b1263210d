import Storage

/// How the stored values of all images are spread.
struct ValueSurvey {
    private(set) var least = Double.infinity
    private(set) var most = -Double.infinity
    private var count = 0.0
    private var sum = 0.0
    private var squares = 0.0

    /// Takes values that are finite.
    mutating func take<Element: HDF5Scalar & ValueOfImage>(_ values: UnsafeBufferPointer<Element>) {
        guard !values.isEmpty else { return }
        var (low, high, sum, squares) = (values[0], values[0], 0.0, 0.0)
        for value in values {
            if value < low { low = value }
            if value > high { high = value }
            let wide = value.wide
            sum += wide
            squares += wide * wide
        }
        least = min(least, low.wide)
        most = max(most, high.wide)
        count += Double(values.count)
        self.sum += sum
        self.squares += squares
    }

    var isEmpty: Bool { count == 0 }

    var standardDeviation: Double {
        let mean = sum / count
        return max(squares / count - mean * mean, 0).squareRoot()
    }
}

/// What images are read as.
protocol ValueOfImage: Comparable {
    var wide: Double { get }
}

extension UInt8: ValueOfImage { var wide: Double { Double(self) } }
extension Float: ValueOfImage { var wide: Double { Double(self) } }
