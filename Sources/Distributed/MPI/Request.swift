internal import CMPI

/// Communication under way (MPI 3.1, sections 3.7 and 5.12). It holds its buffer until `wait()` returns it.
///
/// Every request is waited for: one that is let go of while MPI may still write into its memory traps. Where
/// an error may be thrown in between, wait for the requests on that way out too.
public final class Request<Element: MPIScalar> {
    private let operation: String
    private let communicator: Communicator
    private let buffer: MPIBuffer<Element>
    private var pending: [Piece]
    private var isFinished = false

    /// One MPI request, and how many elements it must receive where it receives.
    struct Piece {
        var handle: fpdm_request
        var expected: Int?
    }

    init(_ operation: String, _ communicator: Communicator, _ buffer: MPIBuffer<Element>) {
        self.operation = operation
        self.communicator = communicator
        self.buffer = buffer
        pending = []
    }

    deinit {
        // fatalError, since release builds drop the text of a precondition.
        if !isFinished {
            fatalError("a request (\(operation)) was let go of without wait(): MPI may still use its memory")
        }
    }

    /// Starts one piece; on failure the pieces before it are not waited for, and the memory is never freed.
    func start(expecting expected: Int? = nil, _ body: (UnsafeMutablePointer<fpdm_request>) -> Int32) throws {
        var handle = fpdm_request_null()
        do {
            try communicator.call(operation) { body(&handle) }
        } catch {
            isFinished = true
            if !pending.isEmpty { _ = Unmanaged.passRetained(buffer) }
            throw error
        }
        pending.append(Piece(handle: handle, expected: expected))
    }

    /// Waits until the communication is complete and gives the buffer back (`MPI_Wait`, section 3.7.3).
    ///
    /// - Parameter idle: done over and over while it waits; must be short, and may start communication but not wait.
    /// - Throws: the first `MPIError` of the pieces, after all of them came to an end.
    @discardableResult
    public func wait(whileIdle idle: (() -> Void)? = nil) throws -> MPIBuffer<Element> {
        if isFinished { fatalError("a request (\(operation)) was waited for twice") }
        var failure: (any Error)?
        for index in pending.indices {
            do { try complete(&pending[index], idle) } catch { failure = failure ?? error }
        }
        isFinished = true
        if let failure { throw failure }
        return buffer
    }

    private func complete(_ piece: inout Piece, _ idle: (() -> Void)?) throws {
        var status = MPI_Status()
        if let idle {
            // One call to whoever looks from outside: this rank waits.
            try communicator.call("MPI_Test (\(operation))") {
                var isComplete: Int32 = 0
                while true {
                    let code = fpdm_test(&piece.handle, &isComplete, &status)
                    if code != MPI_SUCCESS || isComplete != 0 { return code }
                    idle()
                }
            }
        } else {
            try communicator.call("MPI_Wait (\(operation))") { fpdm_wait(&piece.handle, &status) }
        }
        if let expected = piece.expected {
            try communicator.checkLength(operation, status, Element.self, expected: expected)
        }
    }
}

/// Non-blocking communication: starts now, ends in the request's `wait()`.
extension Communicator {
    /// Starts to send the buffer (`MPI_Isend`, section 3.7.2).
    public func iSend<T: MPIScalar>(_ buffer: MPIBuffer<T>, to destination: Int, tag: Int = 0) throws -> Request<T> {
        let request = Request("MPI_Isend", self, buffer)
        for piece in Pieces(of: buffer.count, limit: pieceLimit) {
            try request.start {
                fpdm_isend(
                    buffer.elements.address(of: piece), Int32(piece.count), T.mpiElement.handle, Int32(destination),
                    Int32(tag), handle, $0)
            }
        }
        return request
    }

    /// Starts to fill the buffer from the source's message (`MPI_Irecv`, section 3.7.2).
    public func iReceive<T: MPIScalar>(_ buffer: MPIBuffer<T>, from source: Int, tag: Int = 0) throws -> Request<T> {
        let request = Request("MPI_Irecv", self, buffer)
        for piece in Pieces(of: buffer.count, limit: pieceLimit) {
            try request.start(expecting: piece.count) {
                fpdm_irecv(
                    buffer.elements.address(of: piece), Int32(piece.count), T.mpiElement.handle, Int32(source),
                    Int32(tag), handle, $0)
            }
        }
        return request
    }
}
