import Compute
import Datasets
import Distributed
import Foundation
import Jobs
import Reporting
import Storage

/// What all ranks must have in common before a run begins: what differs would give other bits on some of them.
enum RunAgreement {
    static func requireOneJob(_ job: JobConfiguration, _ world: Communicator) throws {
        let first = try world.broadcast(job.yaml(), root: 0)
        try world.agree {
            guard job.yaml() != first else { return }
            throw Failure(
                .badData,
                "this rank read another job than rank 0: do all nodes see the same job file, and is every "
                    + "rank given the same options?")
        }
    }

    /// A path that rank 0 chose, as every rank opens it; all must find the same bytes there.
    static func requireSame(_ text: String, _ what: String, _ world: Communicator) throws {
        let first = try world.broadcast(text, root: 0)
        try world.agree {
            guard text != first else { return }
            throw Failure(
                .badData, "this rank finds another \(what) than rank 0; do all ranks see the same folders?")
        }
    }

    /// Data and kernels of all ranks against rank 0's: what differs would give other bits on some ranks.
    static func requireEqualRanks(
        _ fingerprint: DatasetFingerprint, validation: String, _ environment: [String: String], _ world: Communicator
    ) throws {
        let matters: [(what: String, value: String, remedy: String)] = [
            ("program", ProgramVersion.current, "start the same program on all nodes"),
            (
                "matrix kernels", environment["backend"] ?? "",
                "set run.gemm: native, or install the same matrix library on all nodes and use nodes of one kind; or "
                    + "set ONEDNN_MAX_CPU_ISA, or with OpenBLAS OPENBLAS_CORETYPE, to what all of them have, such as AVX2 and "
                    + "Haswell"
            ),
            ("precision", environment["precision"] ?? "", "give all ranks the same job"),
            ("MPI library", environment["mpi"] ?? "", "load the same MPI on all nodes"),
            ("data set", fingerprint.description, "copy the same data set to all nodes"),
            ("held-out data set", validation, "copy the same data set to all nodes"),
            (
                "layout of the data set", environment["layout"] ?? "any",
                "copy the same files to all nodes, or set data.shuffle: full"
            ),
        ]
        for matter in matters {
            let first = try world.broadcast(matter.value, root: 0)
            try world.agree {
                guard matter.value != first else { return }
                throw Failure(
                    .badData,
                    "the \(matter.what) of this rank (\(matter.value)) is not that of rank 0 (\(first)), which gives "
                        + "other bits; \(matter.remedy)")
            }
        }
    }

    /// A data set's fingerprint, found once on each node for all that read the same files.
    static func fingerprint(_ dataset: ShardedDataset, _ runtime: MPIRuntime) throws -> DatasetFingerprint {
        let found = try runtime.world.agree {
            runtime.nodeLocal.rank == 0 ? try dataset.fingerprint().description : ""
        }
        let shared = try runtime.nodeLocal.broadcast(found, root: 0)
        // A rank that was started in another folder may read other files under the same name.
        let own = dataset.place(of: 0).file
        let first = try runtime.nodeLocal.broadcast(URL(fileURLWithPath: own).path, root: 0)
        let text = try runtime.world.agree {
            Files.isSame(first, own) ? shared : try dataset.fingerprint().description
        }
        guard let fingerprint = DatasetFingerprint(text) else {
            preconditionFailure("a fingerprint that does not read")
        }
        return fingerprint
    }
}
