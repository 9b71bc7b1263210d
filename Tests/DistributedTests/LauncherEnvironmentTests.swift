import Testing

@testable import Distributed

@Suite("Which rank a process will be, before MPI starts")
struct LauncherEnvironmentTests {
    private func place(_ variables: [String: String]) -> LauncherPlace { LauncherPlace { variables[$0] } }

    @Test("without a launcher it is rank 0 of 1")
    func alone() {
        let place = place([:])
        #expect(place.rank == 0 && place.size == 1 && place.localRank == 0 && place.localSize == 1)
        #expect(!place.isLaunched)
    }

    @Test("Open MPI's variables win over those of the Slurm job around it")
    func openMPI() {
        let place = place([
            "OMPI_COMM_WORLD_RANK": "3", "OMPI_COMM_WORLD_SIZE": "4", "OMPI_COMM_WORLD_LOCAL_RANK": "1",
            "OMPI_COMM_WORLD_LOCAL_SIZE": "2", "SLURM_PROCID": "0", "SLURM_STEP_NUM_TASKS": "2",
        ])
        #expect(place.rank == 3 && place.size == 4 && place.localRank == 1 && place.localSize == 2)
        #expect(place.isLaunched)
    }

    @Test("srun with PMIx: the size and the node's share come from Slurm")
    func slurm() {
        let place = place([
            "PMIX_RANK": "5", "SLURM_PROCID": "5", "SLURM_STEP_NUM_TASKS": "7", "SLURM_LOCALID": "1",
            "SLURM_NODEID": "2", "SLURM_STEP_TASKS_PER_NODE": "2(x3),1",
        ])
        #expect(place.rank == 5 && place.size == 7 && place.localRank == 1 && place.localSize == 2)
    }

    @Test("a batch script's own process is one rank, whatever the job has tasks")
    func batchScript() {
        let place = place(["SLURM_PROCID": "0", "SLURM_NTASKS": "16", "SLURM_LOCALID": "0"])
        #expect(place.rank == 0 && place.size == 1 && place.localSize == 1)
    }

    @Test("Hydra, with its numbers on the node")
    func hydra() {
        let place = place([
            "PMI_RANK": "2", "PMI_SIZE": "8", "MPI_LOCALRANKID": "0", "MPI_LOCALNRANKS": "2", "SLURM_PROCID": "1",
            "SLURM_STEP_NUM_TASKS": "4",
        ])
        #expect(place.rank == 2 && place.size == 8 && place.localRank == 0 && place.localSize == 2)
        #expect(place.isSizeTold && place.sources == ["PMI_RANK=2", "PMI_SIZE=8"])
    }

    @Test("a size of another launcher is not taken")
    func mixed() {
        let place = place(["PMIX_RANK": "2", "PMI_SIZE": "8", "SLURM_PROCID": "0", "SLURM_STEP_NUM_TASKS": "16"])
        #expect(place.rank == 2 && place.size == 3 && !place.isSizeTold && place.sources == ["PMIX_RANK=2"])
    }

    @Test("PMI, and values that are no numbers")
    func others() {
        #expect(place(["PMI_RANK": "2", "SLURM_PROCID": "2", "SLURM_STEP_NUM_TASKS": "8"]).size == 8)
        #expect(place(["PMIX_RANK": "none", "PMI_RANK": "2", "PMI_SIZE": "8"]).rank == 2)
        #expect(!place(["OMPI_COMM_WORLD_RANK": "-1"]).isLaunched)
    }

    @Test(
        "Slurm's short notation of tasks a node",
        arguments: [(0, 2), (2, 2), (3, 1), (4, 12), (5, nil)] as [(Int, Int?)])
    func notation(node: Int, expected: Int?) {
        #expect(LauncherPlace.tasks(on: node, in: "2(x3),1,12") == expected)
    }

    @Test("broken notation tells nothing", arguments: ["", "x", "2(y3)", "2(x)"])
    func brokenNotation(text: String) {
        #expect(LauncherPlace.tasks(on: 0, in: text) == nil)
    }
}
