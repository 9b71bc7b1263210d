import Reporting

/// A launcher started several processes, but this program's MPI does not know that launcher: each process would
/// be a world of its own and train alone.
///
/// It happens under `srun` without the `--mpi` that this MPI wants, and under the `mpirun` of another MPI. Every process
/// of the launcher holds the same error but for its rank.
public struct UnknownLauncher: Reportable, Equatable {
    /// How many processes the launcher started, as its variables tell; at least so many where they do not.
    public let launched: Int
    /// The ranks of MPI's world.
    public let worldSize: Int
    /// The variables that told, such as `SLURM_STEP_NUM_TASKS=2`.
    public let sources: [String]
    /// This program's MPI, by its own words (`MPI_Get_library_version`), shortened.
    public let library: String

    /// Nil where launcher and MPI agree.
    ///
    /// - Parameter library: the whole text of `MPI_Get_library_version`.
    public init?(_ place: LauncherPlace, worldSize: Int, library: String) {
        // A size that no variable told is a lower bound.
        let isAgreed = place.isSizeTold ? place.size == worldSize : place.size <= worldSize
        if place.size == 1 || isAgreed { return nil }
        launched = place.size
        self.worldSize = worldSize
        sources = place.sources
        self.library = shortened(library)
    }

    public var exitCode: Int32 { Failure.Status.usage.rawValue }
    public var description: String {
        // MPICH's family speaks Slurm's other protocol.
        let tools =
            library.contains("MPICH") ? (pmi: "pmi2", version: "mpichversion") : (pmi: "pmix", version: "ompi_info")
        return "the launcher started \(launched) processes (\(sources.joined(separator: ", "))), but this program's "
            + "MPI (\(library)) sees \(worldSize): it does not know this launcher. In a Slurm job use "
            + "srun --mpi=\(tools.pmi), elsewhere the mpirun of the MPI that the program was built with; "
            + "mpirun --version and \(tools.version) say which one is installed"
    }
}
