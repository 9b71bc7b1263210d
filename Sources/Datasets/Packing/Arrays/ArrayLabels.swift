/// What labels an array holds.
enum ArrayLabels {
    /// - Parameters:
    ///   - shape: of all labels: [N], [N, 1] or [N, K].
    ///   - path: for errors.
    static func kind(_ shape: [Int], isInteger: Bool, _ path: String) throws -> DatasetLabels {
        switch shape.count {
        case 1: return .classes
        case 2 where shape[1] == 1 && isInteger: return .classes
        case 2 where shape[1] > 0: return .continuous(shape[1])
        default:
            throw DatasetError(
                .malformed, path, "has labels of shape \(shape): classes [N] or vectors [N, K] are wanted")
        }
    }

    /// One sample's label from its values.
    ///
    /// - Parameter place: for errors.
    static func label(
        _ values: [Double], _ kind: DatasetLabels, _ place: @autoclosure () -> String
    ) throws -> PackedSample.Label {
        switch kind {
        case .none: return .none
        case .continuous: return .vector(values.map { Float($0) })
        case .classes:
            guard let value = values.first, let label = Int32(exactly: value), label >= 0 else {
                throw DatasetError(
                    .malformed, place(),
                    "has the label \(values.first ?? .nan), which is no class; classes are whole "
                        + "numbers from 0")
            }
            return .class(label)
        }
    }

    /// Refuses names that are fewer than there are classes.
    static func require(_ names: [String]?, for most: Double?, _ path: String) throws {
        guard let names, let most, Double(names.count) <= most else { return }
        throw DatasetError(.usage, path, "\(names.count) label names, but there is a label \(most)")
    }
}
