/// What a field's value must be whatever the others are.
///
/// Numbers that belong to a network or to diffusion come from there; the table of fields passes them in.
struct JobLimit<Value: Sendable>: Sendable {
    /// Follows "must be".
    let text: String
    /// Values at its ends, and just beyond them.
    let allowed: [Value]
    let refused: [Value]
    let holds: @Sendable (Value) -> Bool

    init(text: String, allowed: [Value], refused: [Value], holds: @escaping @Sendable (Value) -> Bool) {
        self.text = text
        self.allowed = allowed
        self.refused = refused
        self.holds = holds
    }
}

extension JobLimit where Value == Int {
    static func atLeast(_ least: Int) -> Self {
        Self(text: "at least \(least)", allowed: [least, .max], refused: [least - 1]) { $0 >= least }
    }

    static func within(_ range: ClosedRange<Int>) -> Self {
        let (least, most) = (range.lowerBound, range.upperBound)
        return Self(text: "from \(least) to \(most)", allowed: [least, most], refused: [least - 1, most + 1]) {
            range.contains($0)
        }
    }
}

extension JobLimit where Value == Int? {
    static func atLeast(_ least: Int) -> Self {
        Self(text: "at least \(least)", allowed: [least, nil], refused: [least - 1]) { ($0 ?? least) >= least }
    }
}

extension JobLimit where Value == [Int]? {
    static func each(in range: ClosedRange<Int>) -> Self {
        let (least, most) = (range.lowerBound, range.upperBound)
        return Self(
            text: "a list of numbers from \(least) to \(most)", allowed: [[least], [most], nil],
            refused: [[least - 1], [most + 1]]
        ) { $0?.allSatisfy(range.contains) ?? true }
    }
}

extension JobLimit where Value == AutomaticCount {
    static var notNegative: Self {
        Self(text: "at least 0", allowed: [AutomaticCount(0), AutomaticCount(1)], refused: [AutomaticCount(-1)]) {
            $0.value >= 0
        }
    }

    static func upTo(_ most: Int) -> Self {
        Self(
            text: "from 1 to \(most)", allowed: [0, 1, most].map(AutomaticCount.init),
            refused: [-1, most + 1].map(AutomaticCount.init)
        ) { 0...most ~= $0.value }
    }
}

extension JobLimit where Value == Double {
    static var positive: Self {
        Self(text: "more than 0", allowed: [.leastNonzeroMagnitude, .greatestFiniteMagnitude], refused: [0]) {
            $0 > 0 && $0.isFinite
        }
    }

    static func positive(upTo most: Double) -> Self {
        Self(text: "more than 0 and at most \(most.short)", allowed: [most], refused: [0, most.nextUp]) {
            $0 > 0 && $0 <= most
        }
    }

    static var notNegative: Self { within(0...) }
    static var fraction: Self { within(0...1) }

    static var belowOne: Self {
        Self(
            text: "at least 0 and less than 1", allowed: [0, 1.0.nextDown], refused: [-.leastNonzeroMagnitude, 1]
        ) { $0 >= 0 && $0 < 1 }
    }

    static func within(_ range: ClosedRange<Double>) -> Self {
        let (least, most) = (range.lowerBound, range.upperBound)
        return Self(
            text: "from \(least.short) to \(most.short)", allowed: [least, most],
            refused: [least.nextDown, most.nextUp]
        ) { range.contains($0) }
    }

    static func within(_ range: PartialRangeFrom<Double>) -> Self {
        let least = range.lowerBound
        return Self(
            text: "at least \(least.short)", allowed: [least, .greatestFiniteMagnitude], refused: [least.nextDown]
        ) { range.contains($0) && $0.isFinite }
    }
}

extension JobLimit where Value == Double? {
    static var positive: Self {
        Self(text: "more than 0", allowed: [.leastNonzeroMagnitude, nil], refused: [0]) { number in
            number.map { $0 > 0 && $0.isFinite } ?? true
        }
    }
}

extension JobLimit where Value == IterationRange {
    static func within(_ range: ClosedRange<Int>) -> Self {
        let (least, most) = (range.lowerBound, range.upperBound)
        return Self(
            text: "in order, both from \(least) to \(most)",
            allowed: [IterationRange(least, most), IterationRange(most, most)],
            refused: [
                IterationRange(least - 1, most), IterationRange(least, most + 1), IterationRange(least + 1, least),
            ]
        ) { range.contains($0.min) && range.contains($0.max) && $0.min <= $0.max }
    }
}

extension Double {
    /// Without a fraction of zero.
    fileprivate var short: String { self == rounded() && abs(self) < 1e15 ? "\(Int(self))" : "\(self)" }
}
