import Foundation
import Storage

/// Metadata as attributes of `checkpoint.h5`.
extension CheckpointMetadata {
    func write(to file: HDF5File) throws {
        try file.setAttribute("step", step)
        try file.setAttribute("updates", updates)
        try file.setAttribute("skipped_in_a_row", skippedInARow)
        try file.setAttribute("job", jobYAML)
        try file.setAttribute("changes", changes)
        try file.setAttribute("dataset", dataset)
        if let labelNames, !labelNames.isEmpty { try file.setAttribute("label_names", labelNames) }
        try file.setAttribute("grids", grids.map { Int($0) })
        if !timestepCounts.isEmpty {
            try file.setAttribute("timestep_counts", timestepCounts.map { Int($0) })
            try file.setAttribute("timestep_losses", timestepLosses)
        }
        try file.setAttribute("world_size", worldSize)
        try file.setAttribute("hosts", hosts)
        try file.setAttribute("version", version)
        try file.setAttribute("created", created)
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        try file.setAttribute("environment", String(decoding: try encoder.encode(environment), as: UTF8.self))
    }

    /// - Parameter format: of the file. Format 1 knew no skipped steps, no grids, no fingerprint and no changes.
    init(reading file: HDF5File, format: Int) throws {
        let text: String = try file.attribute("environment")
        guard let environment = try? JSONDecoder().decode([String: String].self, from: Foundation.Data(text.utf8))
        else { throw CheckpointError(.damaged, file.path, "attribute environment should be JSON of texts") }
        self.init(
            step: try file.attribute("step"), jobYAML: try file.attribute("job"),
            worldSize: try file.attribute("world_size"), hosts: try file.attribute("hosts"),
            version: try file.attribute("version"), created: try file.attribute("created"), environment: environment)
        self.format = format
        guard format > 1 else { return }
        updates = try file.attribute("updates")
        skippedInARow = try file.attribute("skipped_in_a_row")
        changes = try file.attribute("changes")
        dataset = try file.attribute("dataset")
        // Earlier versions did not record them.
        labelNames = try file.hasAttribute("label_names") ? file.attribute("label_names") : nil
        grids = try Self.numbers(file, "grids", "exponent")
        // Only runs have them that choose noise levels by their losses.
        guard try file.hasAttribute("timestep_counts") else { return }
        timestepCounts = try Self.numbers(file, "timestep_counts", "count")
        timestepLosses = try file.attribute("timestep_losses")
    }

    private static func numbers(_ file: HDF5File, _ name: String, _ what: String) throws -> [Int32] {
        let numbers: [Int] = try file.attribute(name)
        return try numbers.map { number in
            guard let own = Int32(exactly: number) else {
                throw CheckpointError(.damaged, file.path, "attribute \(name) holds \(number), which is no \(what)")
            }
            return own
        }
    }
}
