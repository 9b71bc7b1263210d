// swift-tools-version: 6.0
//
// The floors of the house, bottom to top; imports point down only (docs/architecture.md).
//
// Environment read when the manifest is evaluated:
//   FPDM_MARCH     the processor to build for, as clang's -march names it (default: native, this machine).
//                  On clusters whose login nodes differ from the compute nodes: x86-64-v3, x86-64-v4, znver4 ...
//   FPDM_MPI       the MPI to build with, by pkg-config's name for it (default: ompi, which is Open MPI): mpich, or
//                  another of its family. Builds with different MPIs want folders of their own: --scratch-path.
//   FPDM_REVISION  what the program records as its source's revision; `make` asks git. What the package manager itself
//                  knows of git is kept with the manifest, which a commit does not change.

import PackageDescription

let march = Context.environment["FPDM_MARCH"] ?? "native"
let mpi = Context.environment["FPDM_MPI"] ?? "ompi"

/// Every module is compiled for one processor: SIMD values cross module borders in its registers.
let processor = ["-Xcc", "-march=\(march)"]
let strict: [SwiftSetting] = [.unsafeFlags(processor + ["-warnings-as-errors"])]
/// The arithmetic floor drops bounds and overflow checks in release builds; its tests also run in debug.
let arithmetic: [SwiftSetting] = strict + [.unsafeFlags(["-Ounchecked"], .when(configuration: .release))]

/// Where Debian, Fedora and module systems keep OpenBLAS's headers; none of these needs to exist.
let openBLASHeaders: [CSetting] = [
    .unsafeFlags([
        "-I/usr/include/x86_64-linux-gnu/openblas-pthread", "-I/usr/include/aarch64-linux-gnu/openblas-pthread",
        "-I/usr/include/openblas",
    ])
]

/// What the static Foundation needs at link time beyond what its modules name.
let staticLibraries = [
    "CoreFoundation", "_FoundationICU", "_FoundationCShims", "_FoundationCollections", "swiftSynchronization",
]

let revision: [CSetting] =
    Context.environment["FPDM_REVISION"].map { [.define("FPDM_REVISION", to: "\"\($0)\"")] } ?? []

let logging: Target.Dependency = .product(name: "Logging", package: "swift-log")

func tests(_ name: String, _ dependencies: [Target.Dependency], exclude: [String] = []) -> Target {
    .testTarget(
        name: name, dependencies: dependencies, path: "Tests/\(name)", exclude: exclude, swiftSettings: strict)
}

let package = Package(
    name: "fpdm-train",
    products: [.executable(name: "fpdm", targets: ["FPDMTrain"])],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
        .package(url: "https://github.com/jpsim/Yams", from: "6.2.2"),
    ],
    targets: [
        // 0: what Swift cannot import by itself, and words for a person.
        .systemLibrary(
            name: "CMPI", path: "Sources/CMPI", pkgConfig: mpi,
            providers: [.apt([mpi == "ompi" ? "libopenmpi-dev" : "lib\(mpi)-dev"])]),
        .systemLibrary(name: "CHDF5", path: "Sources/CHDF5", pkgConfig: "hdf5", providers: [.apt(["libhdf5-dev"])]),
        .systemLibrary(name: "CPNG", path: "Sources/CPNG", pkgConfig: "libpng", providers: [.apt(["libpng-dev"])]),
        .systemLibrary(
            name: "CJPEG", path: "Sources/CJPEG", pkgConfig: "libjpeg", providers: [.apt(["libjpeg62-turbo-dev"])]),
        .systemLibrary(name: "CZLIB", path: "Sources/CZLIB", pkgConfig: "zlib", providers: [.apt(["zlib1g-dev"])]),
        .target(name: "COpenBLAS", path: "Sources/COpenBLAS", cSettings: openBLASHeaders),
        .target(name: "COneDNN", path: "Sources/COneDNN", linkerSettings: [.linkedLibrary("dl")]),
        .target(name: "CPlatform", path: "Sources/CPlatform", cSettings: revision),
        .target(name: "Reporting", dependencies: ["CPlatform"], swiftSettings: strict),

        // 1: bytes and messages.
        .target(name: "Distributed", dependencies: ["CMPI", "Reporting"], swiftSettings: strict),
        .target(
            name: "Storage", dependencies: ["CHDF5", "CJPEG", "CPNG", "CPlatform", "CZLIB", "Reporting"],
            swiftSettings: strict),

        // 2: memory, threads and arithmetic.
        .target(
            name: "Compute", dependencies: ["COneDNN", "COpenBLAS", "CPlatform", "Reporting"], swiftSettings: arithmetic
        ),

        // 3: what is trained, and towards what.
        .target(name: "Model", dependencies: ["Compute"], swiftSettings: strict),
        .target(name: "Diffusion", dependencies: ["Reporting"], swiftSettings: strict),

        // 4: what is written down: jobs, data sets, checkpoints.
        .target(
            name: "Jobs",
            dependencies: [
                "Compute", "Diffusion", "Model", "Reporting", "Storage", .product(name: "Yams", package: "Yams"),
            ],
            swiftSettings: strict),
        .target(name: "Datasets", dependencies: ["Compute", "Reporting", "Storage"], swiftSettings: strict),
        .target(name: "Checkpoints", dependencies: ["Compute", "Reporting", "Storage"], swiftSettings: strict),

        // 5: the conductors.
        .target(
            name: "Training",
            dependencies: [
                "CPlatform", "Checkpoints", "Compute", "Datasets", "Diffusion", "Distributed", "Jobs", "Model",
                "Reporting", "Storage",
            ],
            swiftSettings: strict),
        .target(
            name: "Sampling",
            dependencies: ["Checkpoints", "Compute", "Datasets", "Diffusion", "Jobs", "Model", "Reporting", "Storage"],
            swiftSettings: strict),

        // 6: the judge.
        .target(
            name: "Evaluation",
            dependencies: [
                "Compute", "Datasets", "Diffusion", "Distributed", "Jobs", "Model", "Reporting", "Sampling", "Storage",
                "Training",
            ],
            swiftSettings: strict),

        // 7: the program `fpdm`.
        .executableTarget(
            name: "FPDMTrain",
            dependencies: [
                "Checkpoints", "Compute", "Datasets", "Diffusion", "Distributed", "Evaluation", "Jobs", "Model",
                "Reporting", "Sampling", "Storage", "Training", logging,
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ],
            swiftSettings: strict,
            // Compute nodes have no Swift: its libraries travel inside the program.
            linkerSettings: [
                .unsafeFlags(["-static-stdlib"] + staticLibraries.map { "-l\($0)" }, .when(configuration: .release))
            ]),

        // Runs under mpirun (Tests/ranks/run): what several ranks must do together.
        .executableTarget(
            name: "rank-tests",
            dependencies: [
                "Checkpoints", "Compute", "Datasets", "Distributed", "Jobs", "Model", "Reporting", "Storage",
                "Training",
            ],
            path: "Tests/ranks/RankTests",
            swiftSettings: strict),

        .target(
            name: "TestSupport", dependencies: ["Compute", "Datasets", "Jobs", "Model", "Reporting", "Storage"],
            path: "Tests/TestSupport",
            swiftSettings: strict),

        tests("DistributedTests", ["Distributed"]),
        tests("StorageTests", ["Storage", "TestSupport"]),
        tests("ComputeTests", ["CPlatform", "Compute", "Reporting", "TestSupport"]),
        tests("ModelTests", ["Compute", "Model", "TestSupport"]),
        tests("DiffusionTests", ["Diffusion"], exclude: ["golden"]),
        tests("JobsTests", ["Compute", "Diffusion", "Jobs", "Model", "Reporting", "TestSupport"]),
        tests("DatasetsTests", ["Datasets", "Storage", "TestSupport"]),
        tests(
            "CheckpointsTests", ["Checkpoints", "Compute", "Storage", "TestSupport"],
            exclude: ["version-0.1"]),
        tests(
            "TrainingTests",
            [
                "Checkpoints", "Compute", "Datasets", "Diffusion", "Distributed", "Jobs", "Model", "Reporting",
                "Storage", "TestSupport", "Training",
            ]),
        tests(
            "SamplingTests",
            [
                "Checkpoints", "Compute", "Datasets", "Diffusion", "Jobs", "Model", "Reporting", "Sampling", "Storage",
                "TestSupport",
            ]),
        tests(
            "EvaluationTests",
            [
                "Compute", "Datasets", "Evaluation", "Model", "Reporting", "Sampling", "Storage", "TestSupport",
            ]),
    ]
)
