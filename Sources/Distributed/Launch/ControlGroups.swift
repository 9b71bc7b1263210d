/// The Linux control groups that hold this process (cgroups(7)): what they say about it.
///
/// Both versions are read: 2 (one tree) and 1 (a tree for each controller), which exist side by side on some
/// systems. In a container the groups' names may be those of the host while only the container's own files are
/// there, as those of the root; files that do not exist say nothing.
struct ControlGroups {
    /// One group's setting.
    struct Setting: Equatable {
        /// The group's name, `/` for the root.
        let group: String
        /// The file's text, without white space around it.
        let text: String
    }

    private let readFile: (String) -> String?
    /// The process's group in the tree of version 2, and by controller in those of version 1.
    private var unified: String?
    private var byController: [String: String] = [:]

    init(readFile: @escaping (String) -> String?) {
        self.readFile = readFile
        for line in (readFile("/proc/self/cgroup") ?? "").split(separator: "\n") {
            // hierarchy:controllers:group; a group's name may hold colons.
            let fields = line.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
            guard fields.count == 3 else { continue }
            if fields[1].isEmpty { unified = String(fields[2]) }
            for controller in fields[1].split(separator: ",") { byController[String(controller)] = String(fields[2]) }
        }
    }

    /// A version 2 file of the root, of every group under it down to the process's own, and of that.
    func settings(_ file: String) -> [Setting] {
        unified.map { settings(file, group: $0, mount: "/sys/fs/cgroup") } ?? []
    }

    /// The same in the tree of a controller of version 1.
    func settings(_ file: String, controller: String) -> [Setting] {
        byController[controller].map { settings(file, group: $0, mount: "/sys/fs/cgroup/\(controller)") } ?? []
    }

    private func settings(_ file: String, group: String, mount: String) -> [Setting] {
        var groups = [""]
        // "/.." is a group outside of what a container sees.
        for part in group.split(separator: "/") where part != ".." {
            groups.append("\(groups[groups.count - 1])/\(part)")
        }
        return groups.compactMap { group in
            readFile("\(mount)\(group)/\(file)").map { Setting(group: group.isEmpty ? "/" : group, text: trimmed($0)) }
        }
    }
}

private func trimmed(_ text: String) -> String {
    String(text.drop(while: \.isWhitespace).reversed().drop(while: \.isWhitespace).reversed())
}
