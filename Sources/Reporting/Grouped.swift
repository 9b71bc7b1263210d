extension Int {
    /// A count with thousands apart: 1,797.
    public var grouped: String {
        let digits = Array(String(magnitude))
        let grouped = digits.enumerated().map { index, digit in
            index > 0 && (digits.count - index) % 3 == 0 ? ",\(digit)" : String(digit)
        }
        return (self < 0 ? "-" : "") + grouped.joined()
    }
}
