/// A diffusion setting that cannot work; the message says what is wrong and what to do.
public struct DiffusionError: Error, Equatable, Sendable, CustomStringConvertible {
    public let message: String

    public init(_ message: String) { self.message = message }

    public var description: String { message }
}
