import Distributed
import Glibc

/// One named thing that must hold on every rank.
struct Check {
    let name: String
    let body: (Communicator) throws -> Void

    init(_ name: String, _ body: @escaping (Communicator) throws -> Void) {
        self.name = name
        self.body = body
    }
}

/// An element type whose values a check can make; small whole numbers are exact in all of them.
protocol Value: MPIScalar, Equatable {
    init(_ value: Int)
}
extension Float: Value {}
extension Double: Value {}
extension Int32: Value {}
extension Int64: Value {}
extension Int: Value {}
extension UInt8: Value {}

/// An expectation that did not hold.
struct Unmet: Error, CustomStringConvertible {
    let description: String
}

/// Throws where the two differ, saying both and where.
func expect<T: Equatable>(
    _ actual: T, equals expected: T, file: StaticString = #fileID, line: UInt = #line
) throws {
    if actual == expected { return }
    throw Unmet(description: "\(file):\(line): got \(brief(actual)), expected \(brief(expected))")
}

private func brief<T>(_ value: T) -> String {
    let text = "\(value)"
    return text.count > 200 ? text.prefix(200) + "..." : text
}

/// Throws unless `body` throws an error of the given type, which is returned.
func expectError<E: Error>(
    _ type: E.Type, file: StaticString = #fileID, line: UInt = #line, _ body: () throws -> Void
) throws -> E {
    do {
        try body()
    } catch let error as E {
        return error
    }
    throw Unmet(description: "\(file):\(line): no \(type) was thrown")
}

/// Runs the checks one by one on all ranks; the number of those that failed on any rank.
///
/// A check that fails on one rank between two communications leaves the others waiting: then the time-out of
/// `Tests/ranks/run` ends it, and the name printed last tells which.
func runChecks(_ checks: [Check], on world: Communicator) throws -> Int {
    var failed = 0
    for check in checks {
        var failure: String?
        do { try check.body(world) } catch { failure = "\(error)" }
        let reports = try world.allGather(failure ?? "")
        let isFailed = try world.allReduce(Int32(failure == nil ? 0 : 1), .max) == 1
        if isFailed { failed += 1 }
        guard world.rank == 0 else { continue }
        print(isFailed ? "FAILED  \(check.name)" : "passed  \(check.name)")
        for (rank, report) in reports.enumerated() where !report.isEmpty { print("        rank \(rank): \(report)") }
        // A pipe to the launcher is buffered: a later hang must not hide what was found.
        fflush(nil)
    }
    return failed
}
