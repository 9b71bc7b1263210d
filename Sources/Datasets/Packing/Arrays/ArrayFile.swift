import Foundation
import Storage

/// A file of one array or several, by their names.
struct ArrayFile {
    enum Kind {
        case npy, npz, hdf5

        /// By the file's name; nil for other files.
        init?(_ path: String) {
            switch path.lowercased().split(separator: ".").last {
            case "npy": self = .npy
            case "npz": self = .npz
            case "h5", "hdf5", "hdf", "he5": self = .hdf5
            default: return nil
            }
        }
    }

    private enum Contents {
        case npy(NPYArray)
        case npz(NPZArchive)
        case hdf5(HDF5File)
    }

    let path: String
    /// Of all arrays; the only one of a `.npy` file is called `array`.
    let names: [String]
    private let contents: Contents

    /// What arrays of images and of labels are called, likeliest first; `numpy.savez` numbers those without names.
    static let imageNames = ["images", "image", "data", "x", "X", "features", "latents", "x_train", "arr_0", "array"]
    static let labelNames = ["labels", "label", "classes", "targets", "y", "Y", "y_train", "arr_1"]

    init(_ path: String) throws {
        self.path = path
        switch Kind(path) {
        case .npy, nil:
            contents = .npy(try NPYArray(path: path))
            names = ["array"]
        case .npz:
            let archive = try NPZArchive(path: path)
            contents = .npz(archive)
            names = archive.names
        case .hdf5:
            let file = try HDF5File.open(path)
            contents = .hdf5(file)
            var seen: Set<[UInt64]> = []
            names = try Self.datasets(of: file, in: "", &seen)
        }
    }

    func array(_ name: String) throws -> any PackArray {
        switch contents {
        case .npy(let array):
            guard names.contains(name) else {
                throw DatasetError(.usage, path, "holds one array without a name, not \"\(name)\"")
            }
            return array
        case .npz(let archive): return try archive.array(name)
        case .hdf5(let file): return try HDF5PackArray(file, name)
        }
    }

    /// The array of a usual name, or the only one with one of some numbers of dimensions.
    ///
    /// - Parameters:
    ///   - ranks: tried one after the other.
    ///   - what: is looked for; `option` names it.
    func guess(_ usual: [String], ranks: [Int], _ what: String, _ option: String) throws -> String {
        if let name = usual.first(where: { names.contains($0) }) { return name }
        for rank in ranks {
            let fitting = try names.filter { try self.rank($0) == rank }
            if fitting.count == 1 { return fitting[0] }
        }
        throw DatasetError(
            .usage, path,
            "holds \(names.isEmpty ? "no arrays" : "the arrays " + names.joined(separator: ", ")): say with \(option) "
                + "which of them are the \(what)")
    }

    private func rank(_ name: String) throws -> Int {
        // Without reading members of archives more than once: only few have more than one without a usual name.
        switch contents {
        case .npy(let array): array.shape.count
        case .npz(let archive): try archive.array(name).shape.count
        case .hdf5(let file): try file.dataset(name).shape.count
        }
    }

    /// Size and time of the last change.
    func stamp() throws -> String {
        let changed = try FileManager.default.attributesOfItem(atPath: path)[.modificationDate] as? Date
        return "\(try Files.size(of: path)) bytes, changed \(changed?.timeIntervalSince1970 ?? 0)"
    }

    /// The paths of all data sets of a group and the groups in it.
    ///
    /// - Parameter seen: groups that have been looked through; links may lead back to one.
    private static func datasets(of file: HDF5File, in group: String, _ seen: inout Set<[UInt64]>) throws -> [String] {
        let place = group.isEmpty ? "/" : group
        guard seen.insert(try file.identity(of: place)).inserted else { return [] }
        return try file.names(in: place).flatMap { name -> [String] in
            let path = group.isEmpty ? name : "\(group)/\(name)"
            // A link that leads nowhere, or a named type.
            guard let kind = try? file.kind(of: path) else { return [] }
            return kind == .dataset ? [path] : try datasets(of: file, in: path, &seen)
        }
    }
}
