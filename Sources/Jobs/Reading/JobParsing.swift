import Storage
import Yams

extension JobConfiguration {
    /// Bytes that a job file may have.
    public static let mostBytes = 1 << 20

    /// Reads and checks a job file.
    ///
    /// - Parameters:
    ///   - path: the YAML file, or a pipe such as `/dev/fd/63`. Nothing else is read.
    ///   - overrides: `section.key=value` each, taken after the file, the last one winning.
    /// - Throws: `JobErrors` with everything that is wrong.
    public static func load(path: String, overrides: [String] = []) throws -> JobConfiguration {
        func refuse(_ message: String, _ cause: JobError.Cause = .noInput) -> JobErrors {
            JobErrors([JobError(file: path, message: message, cause: cause)])
        }
        let bytes: [UInt8]
        do {
            if try Files.isDirectory(path) { throw refuse("is a folder; name the job file in it") }
            bytes = try Files.read(path, most: mostBytes)
        } catch let error as StorageError where error.kind == .missing {
            throw refuse("no such job file; check the path (it is relative to the working directory)")
        } catch let error as StorageError {
            throw refuse(error.message, error.kind == .malformed ? .badData : .noInput)
        }
        guard let yaml = String(bytes: bytes, encoding: .utf8) else {
            throw JobErrors([JobError(file: path, message: "is not UTF-8 text; a job is a YAML file")])
        }
        return try parse(yaml: yaml, name: path, overrides: overrides)
    }

    /// Reads and checks a job given as text.
    ///
    /// A layer's `model.name` comes before its other keys, and the overrides are a layer above the file: an explicit
    /// `model.width` wins over the name beside it, and `--set model.name=...` over the file's widths.
    ///
    /// - Parameters:
    ///   - name: what messages call the text.
    ///   - overrides: as for `load`.
    /// - Throws: `JobErrors` with everything that is wrong.
    public static func parse(yaml: String, name: String, overrides: [String] = []) throws -> JobConfiguration {
        try parse(yaml: yaml, name: name, overrides: overrides, judging: Set(sections.map(\.key)))
    }

    /// - Parameter judged: the sections whose values, once they are read, must also be sound.
    static func parse(
        yaml: String, name: String, overrides: [String], judging judged: Set<String>
    ) throws -> JobConfiguration {
        var reader = JobReader(file: name)
        reader.readFile(yaml)
        reader.readOverrides(overrides)
        return try reader.finish(judging: judged)
    }
}

/// Fills a job in from a file and overrides, and remembers which line or override said what.
private struct JobReader {
    private let file: String
    private var job = JobConfiguration()
    private var errors: [JobError] = []
    /// Whether the file has sections; if not, what they lack is no news.
    private var hasSections = false
    /// Sections and fields that the file names, with their lines.
    private var lines: [String: Int] = [:]
    /// Fields and sections whose values are not what their author meant, because those are not understood.
    private var misread: Set<String> = []
    /// Fields that an override sets, with the override.
    private var overridden: [String: String] = [:]

    init(file: String) { self.file = file }

    /// The job, once it is whole and sound.
    mutating func finish(judging judged: Set<String>) throws -> JobConfiguration {
        guard hasSections else { throw JobErrors(errors) }
        if job.model.conditioning == .none, lines["data.labelDropout"] == nil, overridden["data.labelDropout"] == nil {
            // The default is for networks with labels.
            job.data.labelDropout = 0
        }
        if judged.contains("training") { settleLength() }
        for problem in job.problems(misread: misread) where judged.contains(problem.section) {
            let atFault =
                overridden[problem.key] == nil ? problem.other.flatMap { overridden[$0] == nil ? nil : $0 } : nil
            complain(atFault ?? problem.key, problem.message)
        }
        guard errors.isEmpty else { throw JobErrors(errors) }
        return job
    }

    /// Steps or epochs: what an override says of one wins over what the file says of the other.
    private mutating func settleLength() {
        let (steps, epochs) = ("training.steps", "training.epochs")
        guard job.training.epochs != nil, lines[steps] != nil || overridden[steps] != nil else { return }
        switch (overridden[steps] != nil, overridden[epochs] != nil) {
        case (true, false): job.training.epochs = nil
        case (false, true): job.training.steps = JobConfiguration().training.steps
        default: complain(epochs, "training.steps is given, too; a run has one length, so leave one of them out")
        }
    }

    /// Blames the override or line that set a field, or the nearest thing to it that the file has.
    private mutating func complain(_ key: String, _ message: String) {
        if let override = overridden[key] {
            errors.append(JobError(file: "--set \(override)", key: key, message: message, cause: .usage))
        } else {
            errors.append(JobError(file: file, line: lines[key] ?? lines[section(of: key)], key: key, message: message))
        }
    }

    /// The same, for a value that is not understood.
    private mutating func complain(unread key: String, _ message: String) {
        misread.insert(key)
        complain(key, message)
    }

    private func section(of key: String) -> String { String(key.prefix { $0 != "." }) }

    // MARK: The file

    mutating func readFile(_ yaml: String) {
        let root: Node?
        do {
            root = try Yams.compose(yaml: yaml)
        } catch {
            errors.append(JobError(malformed: yaml, file: file, error: error))
            return
        }
        guard let root, !root.isNothing else {
            errors.append(JobError(file: file, message: "is empty; start from one of the files in jobs/"))
            return
        }
        guard let sections = root.mapping else {
            errors.append(
                JobError(
                    file: file, line: root.mark?.line,
                    message: "found \(root.found), wanted sections such as run, model and training"))
            return
        }
        hasSections = true
        for (key, content) in sections { readSection(key, content) }
    }

    private mutating func readSection(_ keyNode: Node, _ content: Node) {
        let key = keyNode.scalar?.string ?? keyNode.found
        lines[key] = keyNode.mark?.line
        guard let section = JobConfiguration.sections.first(where: { $0.key == key }) else {
            misread.formUnion(JobConfiguration.meant(byUnknown: key, in: ""))
            complain(key, JobConfiguration.remedy(forUnknown: key, in: ""))
            return
        }
        if content.isNothing { return }
        guard let entries = content.mapping else {
            complain(unread: key, "found \(content.found), wanted keys such as \(section.fields[0].name)")
            return
        }
        for (entryNode, _) in entries {
            let entry = entryNode.scalar?.string ?? entryNode.found
            lines["\(key).\(entry)"] = entryNode.mark?.line
            if !section.fields.contains(where: { $0.key == entry }) {
                misread.formUnion(JobConfiguration.meant(byUnknown: entry, in: key))
                complain("\(key).\(entry)", JobConfiguration.remedy(forUnknown: entry, in: key))
            }
        }
        // In the table's order, in which a name comes before what it stands for.
        for field in section.fields {
            guard let (_, value) = entries.first(where: { $0.key.scalar?.string == field.key }) else { continue }
            if let complaint = field.read(value, &job) { complain(unread: field.name, complaint) }
        }
    }

    // MARK: Overrides

    mutating func readOverrides(_ overrides: [String]) {
        let names = overrides.filter { $0.hasPrefix("model.name=") }
        for override in names + overrides.filter({ !$0.hasPrefix("model.name=") }) { readOverride(override) }
    }

    private mutating func readOverride(_ override: String) {
        let parts = override.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
        let path = parts[0].split(separator: ".", omittingEmptySubsequences: false).map(String.init)
        func refuse(_ message: String) -> JobError {
            JobError(file: "--set \(override)", key: parts[0], message: message, cause: .usage)
        }
        guard parts.count == 2, path.count == 2 else {
            errors.append(refuse("wanted section.key=value, such as training.steps=300"))
            return
        }
        guard let field = JobConfiguration.fields.first(where: { $0.name == parts[0] }) else {
            let known = JobConfiguration.sections.contains { $0.key == path[0] }
            let (key, section) = known ? (path[1], path[0]) : (path[0], "")
            misread.formUnion(JobConfiguration.meant(byUnknown: key, in: section))
            errors.append(refuse(JobConfiguration.remedy(forUnknown: key, in: section)))
            return
        }
        overridden[field.name] = override
        let node: Node
        if field.isText, !["\"", "'"].contains(parts[1].prefix(1)) {
            // A path or name is taken as the shell passed it, whatever YAML would make of its signs.
            node = .scalar(.init(parts[1], .implicit, .plain))
        } else {
            do {
                node = try Yams.compose(yaml: parts[1]) ?? .scalar(.init("", .implicit, .plain))
            } catch {
                misread.insert(field.name)
                errors.append(refuse("the value is not YAML; wanted \(field.type)"))
                return
            }
        }
        if let complaint = field.read(node, &job) { complain(unread: field.name, complaint) }
    }
}

extension JobError {
    /// A file that is no YAML at all.
    fileprivate init(malformed yaml: String, file: String, error: Error) {
        switch error as? YamlError {
        case .scanner(_, let problem, let mark, _), .parser(_, let problem, let mark, _),
            .composer(_, let problem, let mark, _):
            self.init(file: file, line: mark.line, message: "not YAML: \(problem)")
        case .duplicatedKeysInMapping(let duplicates, let context):
            let key = duplicates.first ?? ""
            let place = Place(of: key, from: context.mark, in: yaml)
            self.init(
                file: file, line: place.again ?? context.mark.line,
                key: place.section.map { "\($0).\(key)" } ?? key,
                message: "is written twice, first in line \(context.mark.line); keep one of them")
        case .reader(let problem, _, _, _):
            self.init(file: file, message: "not YAML: \(problem)")
        default:
            self.init(file: file, message: "not YAML: \(error)")
        }
    }

    /// Where a key that stands twice stands, found in the text because the parser tells only its first place.
    private struct Place {
        var section: String?
        var again: Int?

        init(of key: String, from first: Mark, in yaml: String) {
            let lines = yaml.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline).map {
                (indent: $0.prefix { $0 == " " }.count, text: Substring($0.drop { $0 == " " }))
            }
            let indent = first.column - 1
            guard lines.indices.contains(first.line - 1) else { return }
            again = lines.indices.dropFirst(first.line).first {
                lines[$0].indent == indent && lines[$0].text.hasPrefix(key)
                    && lines[$0].text.dropFirst(key.count).first { $0 != " " } == ":"
            }.map { $0 + 1 }
            section = lines[..<(first.line - 1)].last { $0.indent < indent && !$0.text.isEmpty && $0.text.first != "#" }
                .map { String($0.text.prefix { $0 != ":" }) }
        }
    }
}
