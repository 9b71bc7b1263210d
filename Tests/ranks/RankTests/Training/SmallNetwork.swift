import Jobs
import Model

/// A network of few values but all kinds of tensors: some 15 blocks at whose borders slices may end, most of them inside of rows.
func smallNetwork() -> ParameterTable {
    var model = ModelConfiguration()
    (model.imageSize, model.channels, model.patchSize, model.width, model.depth, model.heads) = (4, 2, 2, 40, 2, 2)
    (model.classes, model.mlpRatio) = (3, 3)
    return ParameterTable(model)
}

/// One whose blocks are small beside a rank's share, also of eight.
func largerNetwork() -> ParameterTable {
    var model = ModelConfiguration()
    (model.imageSize, model.channels, model.patchSize, model.width, model.depth, model.heads) = (4, 2, 2, 112, 4, 2)
    (model.classes, model.mlpRatio) = (3, 3)
    return ParameterTable(model)
}

/// A job of that many virtual ranks, four samples each.
func job(virtualRanks: Int) -> ResolvedJob {
    var job = JobConfiguration()
    job.training.virtualRanks = virtualRanks
    job.training.globalBatch = 4 * virtualRanks
    return job.resolved { _ in .keep }
}

/// Well mixed bits of a place and a purpose (the finalizer of MurmurHash3).
func mixed(_ index: Int, _ purpose: Int) -> UInt64 {
    var x = UInt64(truncatingIfNeeded: index) &+ UInt64(truncatingIfNeeded: purpose) &* 0x9E37_79B9_7F4A_7C15
    x = (x ^ (x >> 33)) &* 0xFF51_AFD7_ED55_8CCD
    x = (x ^ (x >> 33)) &* 0xC4CE_B9FE_1A85_EC53
    return x ^ (x >> 33)
}
