internal import CMPI
import Reporting

/// An MPI call that did not succeed: which one, on which rank, and what the library says about it.
public struct MPIError: Reportable, Equatable {
    /// The call, by its name in the standard, such as `MPI_Bcast`.
    public let operation: String
    /// The calling rank within its communicator; the launcher's rank while there is none yet.
    public let rank: Int
    /// The library's error code (MPI 3.1, section 8.4).
    public let code: Int32
    /// The library's own text for that code.
    public let message: String

    public init(operation: String, rank: Int, code: Int32, message: String) {
        self.operation = operation
        self.rank = rank
        self.code = code
        self.message = message
    }

    public var exitCode: Int32 { Failure.Status.software.rawValue }
    public var description: String { "\(operation) on rank \(rank): \(message) (MPI code \(code))" }
}

/// The one funnel for return codes: success passes, everything else becomes an `MPIError`.
func check(_ operation: String, rank: Int, _ code: Int32) throws {
    if code == MPI_SUCCESS { return }
    throw MPIError(operation: operation, rank: rank, code: code, message: libraryMessage(for: code))
}

/// MPI's text for an error code (`MPI_Error_string`, MPI 3.1, section 8.3).
private func libraryMessage(for code: Int32) -> String {
    let text = [CChar](unsafeUninitializedCapacity: Int(MPI_MAX_ERROR_STRING) + 1) { buffer, count in
        buffer.initialize(repeating: 0)
        var length: Int32 = 0
        if MPI_Error_string(code, buffer.baseAddress, &length) == MPI_SUCCESS { count = Int(length) }
    }
    return text.isEmpty ? "no message" : String(decoding: text.map { UInt8(bitPattern: $0) }, as: UTF8.self)
}
