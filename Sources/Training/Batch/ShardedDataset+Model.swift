import Datasets
import Model

extension ShardedDataset {
    /// Checks that a model can be trained on these data.
    ///
    /// - Throws: ``DatasetError``: the images have another side or other channels, the labels are of another kind, or a
    ///   class is beyond the model's; it names the job's key, or the file, sample and class.
    public func requireFits(_ model: ModelConfiguration) throws {
        func refuse(_ message: String) -> DatasetError { DatasetError(.malformed, name.base, message) }
        guard side == model.imageSize else {
            throw refuse("images are \(side) x \(side), but model.imageSize is \(model.imageSize); set it to \(side)")
        }
        // The two halves of moments are means and variances of latents.
        let isMoments = content == "moments"
        guard !isMoments || channels % 2 == 0 else {
            throw refuse("moments are means and as many variances, but it has \(channels) channels; pack the data anew")
        }
        let seen = isMoments ? channels / 2 : channels
        guard seen == model.channels else {
            throw refuse(
                "\(isMoments ? "latents" : "images") have \(seen) channels, but model.channels is \(model.channels); set it "
                    + "to \(seen)")
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
