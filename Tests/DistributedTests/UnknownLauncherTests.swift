import Testing

@testable import Distributed

@Suite("Launchers that this MPI does not know")
struct UnknownLauncherTests {
    private let library = "Open MPI v4.1.4, package: Debian OpenMPI, ident: 4.1.4"

    private func found(_ variables: [String: String], worldSize: Int) -> UnknownLauncher? {
        UnknownLauncher(LauncherPlace { variables[$0] }, worldSize: worldSize, library: library)
    }

    @Test("srun without PMIx: worlds of one are refused, with both numbers, what told, and the remedy")
    func slurm() throws {
        let error = try #require(found(["SLURM_PROCID": "1", "SLURM_STEP_NUM_TASKS": "2"], worldSize: 1))
        #expect(error.launched == 2 && error.worldSize == 1)
        #expect(error.sources == ["SLURM_PROCID=1", "SLURM_STEP_NUM_TASKS=2"])
        for part in [
            "started 2 processes", "sees 1", "SLURM_STEP_NUM_TASKS=2", "(Open MPI v4.1.4)", "srun --mpi=pmix",
            "ompi_info",
        ] {
            #expect(error.description.contains(part), "\(part)")
        }
    }

    @Test("Hydra's mpirun is another MPI's, for rank 0 too")
    func hydra() {
        let variables = ["PMI_RANK": "0", "PMI_SIZE": "3"]
        #expect(found(variables, worldSize: 1)?.sources == ["PMI_RANK=0", "PMI_SIZE=3"])
        #expect(found(variables, worldSize: 3) == nil)
        #expect(found(variables, worldSize: 2)?.launched == 3)
    }

    @Test("a world that is what the launcher said passes, under any of them")
    func known() {
        #expect(found([:], worldSize: 1) == nil)
        #expect(found(["OMPI_COMM_WORLD_RANK": "1", "OMPI_COMM_WORLD_SIZE": "4"], worldSize: 4) == nil)
        #expect(found(["PMIX_RANK": "1", "SLURM_PROCID": "1", "SLURM_STEP_NUM_TASKS": "2"], worldSize: 2) == nil)
        #expect(found(["SLURM_PROCID": "0", "SLURM_NTASKS": "16"], worldSize: 1) == nil)
        #expect(found(["SLURM_PROCID": "0", "SLURM_STEP_NUM_TASKS": "1"], worldSize: 1) == nil)
    }

    @Test("a rank whose size nobody told may be in any world that has such a rank")
    func untold() {
        #expect(found(["PMIX_RANK": "1"], worldSize: 4) == nil)
        #expect(found(["PMIX_RANK": "0"], worldSize: 1) == nil)
        #expect(found(["PMIX_RANK": "1"], worldSize: 1)?.launched == 2)
    }

    @Test("a Slurm step that holds a launcher's daemons does not tell the size of what they started")
    func daemons() {
        let variables = ["PMIX_RANK": "5", "SLURM_PROCID": "1", "SLURM_STEP_NUM_TASKS": "2"]
        #expect(found(variables, worldSize: 8) == nil)
        #expect(LauncherPlace { variables[$0] }.size == 6)
        #expect(
            found(
                ["OMPI_COMM_WORLD_RANK": "0", "OMPI_COMM_WORLD_SIZE": "4"].merging(variables) { $1 }, worldSize: 4)
                == nil)
    }

    @Test("MPICH's version text spans lines, and its remedy under Slurm is another")
    func otherLibrary() {
        let place = LauncherPlace { ["PMI_RANK": "0", "PMI_SIZE": "2"][$0] }
        let error = UnknownLauncher(place, worldSize: 1, library: "MPICH Version:\t4.0.2\nMPICH Release date:\t2022")
        #expect(error?.library == "MPICH Version: 4.0.2")
        #expect(error?.description.contains("srun --mpi=pmi2") == true)
        #expect(UnknownLauncher(place, worldSize: 1, library: "")?.library == "")
    }
}
