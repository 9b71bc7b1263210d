import Model
import Yams

/// A published size of network such as `DiT-XL/2`, as a job's `model.name`.
struct ModelName: JobFieldValue {
    let text: String

    static var wanted: String { "a published size such as DiT-XL/2" }

    static var choices: [String] { ModelConfiguration.publishedNames }

    init?(yaml node: Node) {
        var model = ModelConfiguration()
        guard let text = node.scalar?.string, model.apply(named: text) else { return nil }
        self.text = text
    }

    /// The name of a network's size, if it has one.
    init?(of model: ModelConfiguration) {
        guard let name = model.publishedName else { return nil }
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
