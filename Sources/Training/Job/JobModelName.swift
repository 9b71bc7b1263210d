import Model
import Yams

/// A published size of network such as `DiT-XL/2`, as a job's `model.name`.
struct ModelName: JobFieldValue {
    let text: String

    static var wanted: String { "a published size such as DiT-XL/2" }

    static let choices: [String] = ["DiT", "FPDM"].flatMap { family in
        ["S", "B", "L", "XL"].flatMap { size in ["2", "4", "8"].map { "\(family)-\(size)/\($0)" } }
    }

    init?(yaml node: Node) {
        var model = ModelConfiguration()
        guard let text = node.scalar?.string, model.apply(named: text) else { return nil }
        self.text = text
    }

    /// The name of a network's size, if it has one.
    init?(of model: ModelConfiguration) {
        let family = model.fixedPoint ? "FPDM" : "DiT"
        let name = Self.choices.first { name in
            var named = model
            return name.hasPrefix(family) && named.apply(named: name) && named == model
        }
        guard let name else { return nil }
        text = name
    }

    var yaml: String { text.yaml }
}

extension ModelConfiguration {
    /// The published name of this size. Setting it leaves what the name does not tell; `FPDM-...` tells `fixedPoint`.
    var sizeName: ModelName? {
        get { ModelName(of: self) }
        set {
            guard let newValue, apply(named: newValue.text) else { return }
            if newValue.text.hasPrefix("FPDM-") { fixedPoint = true }
        }
    }
}
