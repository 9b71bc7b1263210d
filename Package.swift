// swift-tools-version: 6.0
//
// The floors of the house, bottom to top; imports point down only (docs/architecture.md).
//
// Environment read when the manifest is evaluated:
//   FPDM_MARCH   the processor to build for, as clang's -march names it (default: native, this machine).
//                On clusters whose login nodes differ from the compute nodes: x86-64-v3, x86-64-v4, znver4 ...

import PackageDescription

let march = Context.environment["FPDM_MARCH"] ?? "native"

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
        // 0: what Swift cannot import by itself.
        .systemLibrary(name: "CMPI", path: "Sources/CMPI", pkgConfig: "ompi", providers: [.apt(["libopenmpi-dev"])]),
        .systemLibrary(name: "CHDF5", path: "Sources/CHDF5", pkgConfig: "hdf5", providers: [.apt(["libhdf5-dev"])]),
        .systemLibrary(name: "CPNG", path: "Sources/CPNG", pkgConfig: "libpng", providers: [.apt(["libpng-dev"])]),
        .target(name: "COpenBLAS", path: "Sources/COpenBLAS", cSettings: openBLASHeaders),
        .target(name: "CPlatform", path: "Sources/CPlatform"),

        // 1: bytes and messages.
        .target(name: "Distributed", dependencies: ["CMPI"], swiftSettings: strict),
        .target(name: "Storage", dependencies: ["CHDF5", "CPNG"], swiftSettings: strict),

        // 2: memory, threads and arithmetic.
        .target(name: "Compute", dependencies: ["COpenBLAS", "CPlatform"], swiftSettings: arithmetic),

        // 3: what is trained, and towards what.
        .target(name: "Model", dependencies: ["Compute"], swiftSettings: strict),
        .target(name: "Diffusion", dependencies: ["Compute"], swiftSettings: strict),

        // 4: the conductor and the judge.
        .target(
            name: "Training",
            dependencies: [
                "Model", "Diffusion", "Compute", "Distributed", "Storage", logging,
                .product(name: "Yams", package: "Yams"),
            ],
            swiftSettings: strict),
        .target(
            name: "Evaluation", dependencies: ["Training", "Model", "Diffusion", "Compute", "Storage", logging],
            swiftSettings: strict),

        // 5: the program `fpdm`.
        .executableTarget(
            name: "FPDMTrain",
            dependencies: [
                "Training", "Evaluation", logging,
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ],
            swiftSettings: strict,
            // Compute nodes have no Swift: its libraries travel inside the program.
            linkerSettings: [
                .unsafeFlags(["-static-stdlib"] + staticLibraries.map { "-l\($0)" }, .when(configuration: .release))
            ]),

        // Runs under mpirun (Tests/ranks/run): what several ranks must do together.
        .executableTarget(
            name: "rank-tests", dependencies: ["Distributed"], path: "Tests/ranks/RankTests", swiftSettings: strict),

        tests("ComputeTests", ["Compute"]),
        tests("DistributedTests", ["Distributed"]),
        tests("StorageTests", ["Storage"]),
        tests("ModelTests", ["Model"]),
        tests("DiffusionTests", ["Diffusion"], exclude: ["golden"]),
        tests("TrainingTests", ["Training"]),
        tests("EvaluationTests", ["Evaluation"]),
    ]
)
