import Compute
import Diffusion
import Model
import Storage

/// Inputs of a network that somebody else has made: an HDF5 file with `/x` [N, C, S, S] in float32 or float16, `/t` [N],
/// steps of the full schedule, and `/y`: [N] classes, [N, K] label vectors, or nothing for a model without labels.
public struct NetworkInputs {
    public let path: String
    /// N.
    public let count: Int
    private let model: ModelConfiguration
    private let x: HDF5Dataset
    private let timesteps: [Int]
    private let y: HDF5Dataset?

    /// Opens a file and compares it with what a model takes.
    ///
    /// - Throws: `StorageError`: `.missing` if there is no file, `.malformed` if it does not hold such inputs.
    public init(_ path: String, for model: ModelConfiguration) throws {
        let file = try HDF5File.open(path)
        func malformed(_ message: String) -> StorageError { StorageError(.malformed, path, message) }
        func dataset(_ name: String, _ what: String) throws -> HDF5Dataset {
            guard file.exists(name) else { throw malformed("lacks /\(name), \(what)") }
            return try file.dataset(name)
        }
        x = try dataset("x", "the images [N, \(model.channels), \(model.imageSize), \(model.imageSize)]")
        let side = model.imageSize
        guard x.shape.count == 4, x.shape.dropFirst() == [model.channels, side, side], let count = x.shape.first,
            count > 0
        else {
            throw malformed("/x has shape \(x.shape), and this model takes [N, \(model.channels), \(side), \(side)]")
        }
        guard x.type == .float32 || x.type == .float16 else {
            throw malformed("/x holds \(x.type), which would be rounded; store it as float32")
        }
        let t = try dataset("t", "the steps [N] of the noise schedule")
        guard t.shape == [count] else { throw malformed("/t has shape \(t.shape), not [\(count)]: one for each image") }
        let limit = 0..<DiffusionConfiguration().steps
        timesteps = try t.read(Double.self).map { value in
            guard let step = Int(exactly: value), limit.contains(step) else {
                throw malformed("/t holds \(value), where whole steps from 0 to \(limit.upperBound - 1) are taken")
            }
            return step
        }
        y = try Self.labels(file, model, count: count, malformed)
        (self.path, self.count, self.model) = (path, count, model)
    }

    private static func labels(
        _ file: HDF5File, _ model: ModelConfiguration, count: Int, _ malformed: (String) -> StorageError
    ) throws -> HDF5Dataset? {
        let shape: [Int]
        let what: String
        switch model.conditioning {
        case .classes: (shape, what) = ([count], "classes from 0 to \(model.classes); \(model.classes) is for none")
        case .continuous: (shape, what) = ([count, model.classes], "label vectors")
        case .none:
            guard !file.exists("y") else { throw malformed("holds /y, and this model takes no labels; leave it out") }
            return nil
        }
        guard file.exists("y") else { throw malformed("lacks /y \(shape), \(what)") }
        let y = try file.dataset("y")
        guard y.shape == shape else {
            throw malformed("/y has shape \(y.shape), and this model takes \(shape), \(what)")
        }
        guard model.conditioning == .classes else { return y }
        for value in try y.read(Double.self) {
            guard let label = Int(exactly: value) else {
                throw malformed("/y holds \(value), which is no whole number, and this model takes \(what)")
            }
            guard (0...model.classes).contains(label) else {
                throw malformed("/y holds class \(label), and this model takes \(what)")
            }
        }
        return y
    }

    /// Reads some of the inputs.
    ///
    /// - Parameter images: room for those images, [B, C, S, S].
    /// - Throws: `StorageError` if the file cannot be read, `.malformed` for images or label vectors that are not finite.
    func read(_ range: Range<Int>, into images: FloatBuffer) throws -> Network.Input {
        let (start, shape) = ([range.lowerBound, 0, 0, 0], [range.count] + x.shape.dropFirst())
        let values = images.slice(0, range.count * model.imageValues)
        try x.read(into: values.writable, start: start, count: shape)
        try requireFinite(values.readable, "/x", x.shape, from: range.lowerBound)
        let labels: Labels
        switch (model.conditioning, y) {
        case (.classes, let y?):
            labels = .classes(try y.read(Int.self, start: [range.lowerBound], count: [range.count]))
        case (.continuous, let y?):
            let vectors = try y.read(Float.self, start: [range.lowerBound, 0], count: [range.count, model.classes])
            try vectors.withUnsafeBufferPointer { try requireFinite($0, "/y", y.shape, from: range.lowerBound) }
            labels = .continuous(vectors)
        default: labels = .none
        }
        return Network.Input(images: images, timesteps: Array(timesteps[range]), labels: labels)
    }

    /// - Parameters:
    ///   - values: some rows of the data set `name`, of shape `shape`, the first being row `first`.
    private func requireFinite(
        _ values: UnsafeBufferPointer<Float>, _ name: String, _ shape: [Int], from first: Int
    ) throws {
        guard var rest = values.firstIndex(where: { !$0.isFinite }) else { return }
        let value = values[rest]
        var place: [Int] = []
        for length in shape.dropFirst().reversed() {
            place.insert(rest % length, at: 0)
            rest /= length
        }
        throw StorageError(
            .malformed, path, "\(name) holds \(value) at \([first + rest] + place), and only finite numbers are taken")
    }
}
