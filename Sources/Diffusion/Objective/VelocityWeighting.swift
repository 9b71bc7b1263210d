extension DiffusionConfiguration.Weighting {
    /// The weight of the squared error of v that equals this weight on the squared error of x0.
    ///
    /// x0's error is sqrt(1 - a) times v's (a = alphasCumprod), so each weight is multiplied by 1 - a. In this form
    /// all are finite, including at a = 0 (zero terminal SNR), and none divides. snr = a / (1 - a).
    func ofVelocityError(alphasCumprod a: Double) -> Double {
        switch self {
        case .p2: a * (1 - a).squareRoot()  // snr * sqrt(1 - a), as published with FPDM
        case .snrPlusOne: 1
        case .snr: a
        case .sqrtSNR: (a * (1 - a)).squareRoot()
        case .truncatedSNR: max(a, 1 - a)  // max(snr, 1): arXiv 2202.00512, section 4
        case .minSNR5: min(a, 5 * (1 - a))  // min(snr, 5): arXiv 2303.09556
        }
    }
}
