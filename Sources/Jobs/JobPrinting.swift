extension JobConfiguration {
    /// The whole job with every default filled in, as YAML that `parse` reads back as an equal value. Where
    /// `training.epochs` stands, `training.steps` does not.
    public func yaml() -> String {
        var text = ""
        for section in Self.sections {
            text += "\(section.key):\n"
            for field in section.fields where field.name != "training.steps" || training.epochs == nil {
                text += "  \(field.key): \(field.value(in: self))\n"
            }
        }
        return text
    }

    /// docs/jobs.md: every field of a job file.
    public static func documentation() -> String {
        var text = """
            # Job files

            <!-- Written from the table of fields in Sources/Jobs/Fields/JobFields.swift; a test keeps it current. -->

            A job file says everything about a run. It is YAML: sections, and keys in them. Every key but those marked
            *required* may be left out. What is unknown or cannot be is refused before the run starts, all mistakes at
            once, each with file, line, key and remedy. Start from a file in `jobs/`.

            Any key can be set for one run, after the file and with the same rules:

                fpdm train jobs/digits.yaml --set training.steps=300 --set training.iterationsWithGradient='[1, 6]'

            Within the file, keys written out win over what `model.name` stands for; `--set model.name=...` wins over
            the file's.

            A run keeps the job that it began with. On `--resume`, keys marked *free* may differ from it, keys marked
            *may grow* may be larger, and any other change is refused, for it would give other numbers than one
            uninterrupted run. Where that is what you want, `--resume PATH --allow-changes` records the change and goes
            on (the network alone never changes), and the run's later resumes keep to it; `--start-from PATH` begins a
            new run from the weights of a checkpoint.

            A run's numbers depend neither on the number of ranks, which is any from 1 to `training.virtualRanks`, nor
            on `run.threads`. A number of ranks that divides the virtual ranks idles nothing.

            """
        for section in sections {
            text += "\n## \(section.key)\n\n\(section.documentation)\n\n"
            text += "| key | value | default | on resume | meaning |\n|---|---|---|---|---|\n"
            for field in section.fields {
                let standard = field.standard.map { "`\($0)`" } ?? "*required*"
                text += "| `\(field.key)` | \(field.type) | \(standard) | \(field.onResume.words) | "
                text += "\(field.documentation) |\n"
            }
        }
        return text
    }
}

extension JobField.OnResume {
    fileprivate var words: String {
        switch self {
        case .fixed: ""
        case .free: "free"
        case .grows: "may grow"
        }
    }
}
