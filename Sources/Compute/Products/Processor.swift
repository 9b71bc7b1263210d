import CPlatform

/// What kind of processor this is, as far as kernels depend on it.
public struct Processor: Equatable, Sendable {
    public var isAMD = false
    public var family = 0
    public var model = 0
    public var hasAVX512 = false
    /// Dot products of pairs of bfloat16 (AVX512_BF16).
    public var hasBFloat16 = false

    public init(
        isAMD: Bool = false, family: Int = 0, model: Int = 0, hasAVX512: Bool = false, hasBFloat16: Bool = false
    ) {
        self.isAMD = isAMD
        self.family = family
        self.model = model
        self.hasAVX512 = hasAVX512
        self.hasBFloat16 = hasBFloat16
    }

    public static let current = Processor(
        isAMD: fpdm_processor_is_amd() != 0, family: Int(fpdm_processor_family()),
        model: Int(fpdm_processor_model()), hasAVX512: fpdm_processor_has_avx512() != 0,
        hasBFloat16: fpdm_processor_has_avx512_bfloat16() != 0)

    /// Whether products of bfloat16 are faster here than those of float32. AMD's take half the time; Intel's without tiles
    /// twice as long, because one of two multipliers has the instruction and its operands are converted.
    ///
    /// - Parameters:
    ///   - hasProducts: by instructions that the matrix library uses.
    ///   - hasTiles: likewise (AMX).
    func prefersBFloat16(hasProducts: Bool, hasTiles: Bool) -> Bool { hasProducts && (hasTiles || isAMD) }
}
