import Distributed

/// How a rank that wishes to stop interrupts the others in the middle of a step: a message to each, which they look for
/// between microbatches.
///
/// A rank sends once. Who has sent is told in the votes, and each rank takes in just those messages, so that none is
/// left when MPI ends.
package final class StopChannel {
    /// Whether this rank has sent its messages.
    package private(set) var hasSent = false
    /// Whether a message of another rank was found.
    package private(set) var isHeard = false

    private let communicator: Communicator
    private var requests: [Request<UInt8>] = []
    private var isSettled = false

    /// Collective.
    package init(_ world: Communicator) throws { communicator = try world.duplicate() }

    /// An error has cut the run short before the ranks could meet: MPI may still use the requests, which must live on.
    deinit { for request in requests { _ = Unmanaged.passRetained(request) } }

    /// Tells all others, once.
    package func send() {
        guard !hasSent, !isSettled else { return }
        hasSent = true
        for other in 0..<communicator.size where other != communicator.rank {
            requests.append(
                communicator.orAbort { try communicator.iSend(MPIBuffer<UInt8>(repeating: 1, count: 1), to: other) })
        }
    }

    /// Looks for a message of another rank.
    package func listen() {
        guard !isHeard, !isSettled else { return }
        isHeard = communicator.orAbort { try communicator.probe() } != nil
    }

    /// Takes in what was sent, and sends no more. Collective, with the same senders on all ranks.
    package func settle(senders: [Int]) {
        guard !isSettled else { return }
        isSettled = true
        var message: [UInt8] = [0]
        for sender in senders where sender != communicator.rank {
            communicator.orAbort {
                try message.withUnsafeMutableBufferPointer { try communicator.receive($0, from: sender) }
            }
        }
        for request in requests { _ = communicator.orAbort { try request.wait() } }
        requests = []
    }

    /// As `settle(senders:)`, where no vote has told them. Collective.
    package func settle() {
        guard !isSettled else { return }
        let flags = communicator.orAbort { try communicator.allGather([hasSent ? UInt8(1) : 0]) }
        settle(senders: flags.indices.filter { flags[$0] == [1] })
    }
}
