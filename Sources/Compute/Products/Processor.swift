import CPlatform

/// What kind of processor this is, as far as kernels depend on it.
public struct Processor: Equatable, Sendable {
    public var isAMD = false
    public var family = 0
    public var model = 0
    public var hasAVX512 = false

    public init(isAMD: Bool = false, family: Int = 0, model: Int = 0, hasAVX512: Bool = false) {
        self.isAMD = isAMD
        self.family = family
        self.model = model
        self.hasAVX512 = hasAVX512
    }

    public static let current = Processor(
        isAMD: fpdm_processor_is_amd() != 0, family: Int(fpdm_processor_family()),
        model: Int(fpdm_processor_model()), hasAVX512: fpdm_processor_has_avx512() != 0)
}
