import Datasets
import Model

extension ShardedDataset {
    /// Checks that a model can be trained on these data.
    ///
    /// - Throws: ``DatasetError``: the images have another side or other channels, the labels are of another kind, or a
    ///   class is beyond the model's; it names the job's key, or the file, sample and class.
    public func requireFits(_ model: ModelConfiguration) throws {
        func refuse(_ message: String) -> DatasetError { DatasetError(.malformed, name.base, message) }
        // Its two halves are parameters of a distribution, not an image.
        guard content != "moments" else {
            throw refuse("holds the moments of latents, from which this version draws no samples; pack latents")
        }
        guard side == model.imageSize else {
            throw refuse("images are \(side) x \(side), but model.imageSize is \(model.imageSize); set it to \(side)")
        }
        guard channels == model.channels else {
            throw refuse(
                "images have \(channels) channels, but model.channels is \(model.channels); set it to \(channels)")
        }
        switch (model.conditioning, labels) {
        case (.none, _): return
        case (.classes, .classes): try requireClasses(below: model.classes)
        case (.continuous, .continuous(model.classes)): return
        case (.continuous, .continuous(let length)):
            throw refuse("labels are vectors of \(length), but model.classes is \(model.classes); set it to \(length)")
        case (_, .none):
            throw refuse("has no labels, but model.conditioning is \(model.conditioning.rawValue); set it to none")
        case (_, .classes):
            throw refuse(
                "labels are classes, but model.conditioning is \(model.conditioning.rawValue); set it to classes")
        case (_, .continuous(let length)):
            throw refuse(
                "labels are vectors of \(length), but model.conditioning is \(model.conditioning.rawValue); set it to continuous"
            )
        }
    }

    private func requireClasses(below limit: Int) throws {
        guard let index = classLabels.firstIndex(where: { $0 < 0 || Int($0) >= limit }) else { return }
        let (file, row) = place(of: index)
        let label = classLabels[index]
        let remedy =
            label < 0
            ? "classes count from 0; pack the data anew"
            : "set model.classes to at least \((labelRange()?.max ?? label) + 1), or pack the data anew"
        throw DatasetError(
            .malformed, file,
            "/labels: sample \(row) has label \(label), but the model has classes 0 to \(limit - 1); \(remedy)")
    }
}
