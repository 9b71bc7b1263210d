import Foundation
import Storage

/// How the files of a data set are called: `NAME-00000-of-00004.h5` and so on, and `NAME.h5` over all of them.
public struct DatasetName: Equatable, Sendable {
    /// Folder and NAME, as in `data/digits`.
    public let base: String

    /// - Parameter path: the base path; `NAME.h5` and the name of any shard mean the same data set.
    public init(_ path: String) {
        var path = path[...]
        while path.count > 1, path.hasSuffix("/") { path.removeLast() }
        if path.hasSuffix(".h5") { path.removeLast(3) }
        if let shard = path.firstMatch(of: /-[0-9]{5,}-of-[0-9]{5,}$/) { path = path[..<shard.range.lowerBound] }
        base = String(path)
    }

    /// The path of a shard.
    ///
    /// - Parameters:
    ///   - index: from 0.
    ///   - count: how many shards there are.
    public func shard(_ index: Int, of count: Int) -> String {
        "\(base)-\(Self.fiveDigits(index))-of-\(Self.fiveDigits(count)).h5"
    }

    /// The path of the virtual data set over all shards.
    public var whole: String { "\(base).h5" }

    /// The folder that the files lie in.
    public var folder: String { Files.folder(of: base) }

    /// NAME.
    public var name: String { base.split(separator: "/").last.map(String.init) ?? base }

    private static func fiveDigits(_ number: Int) -> String {
        let digits = String(number)
        return String(repeating: "0", count: max(5 - digits.count, 0)) + digits
    }

    /// NAME, number and count of shards as a file's name tells them; nil for other files.
    static func parseShard(_ fileName: String) -> (name: String, index: Int, count: Int)? {
        guard let match = fileName.wholeMatch(of: /(.+)-([0-9]{5,})-of-([0-9]{5,})\.h5/),
            let index = Int(match.2), let count = Int(match.3)
        else { return nil }
        return (String(match.1), index, count)
    }
}
