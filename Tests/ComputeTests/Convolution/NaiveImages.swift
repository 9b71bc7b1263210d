@testable import Compute

extension Naive {
    /// [samples, outputs, h, w] of [samples, channels, height, width], straight from the definition.
    static func convolution(
        _ images: [Double], samples: Int, channels: Int, height: Int, width: Int,
        _ geometry: ConvolutionLayer.Geometry, weights: [Double], bias: [Double]
    ) -> [Double] {
        let outputs = bias.count
        let kernel = geometry.storedKernel
        let (h, w) = (geometry.side(height), geometry.side(width))
        // What the windows go over, without the zeros around it.
        let factor = geometry == .doubling ? 2 : 1
        let (step, before) = geometry == .halving ? (2, 0) : (1, kernel / 2)
        var result: [Double] = []
        for sample in 0..<samples {
            for output in 0..<outputs {
                for y in 0..<h {
                    for x in 0..<w {
                        var sum = bias[output]
                        for channel in 0..<channels {
                            for dy in 0..<kernel {
                                for dx in 0..<kernel {
                                    let (row, column) = (y * step + dy - before, x * step + dx - before)
                                    guard row >= 0, row < height * factor, column >= 0, column < width * factor else {
                                        continue
                                    }
                                    let pixel = (row / factor) * width + column / factor
                                    sum +=
                                        images[(sample * channels + channel) * height * width + pixel]
                                        * weights[((output * channels + channel) * kernel + dy) * kernel + dx]
                                }
                            }
                        }
                        result.append(sum)
                    }
                }
            }
        }
        return result
    }

    /// Of images [samples, channels, pixels].
    static func groupNorm(
        _ images: [Double], samples: Int, channels: Int, pixels: Int, groups: Int, scale: [Double], shift: [Double]
    ) -> [Double] {
        let width = channels / groups * pixels
        var result = images
        for group in 0..<samples * groups {
            let own = group * width..<(group + 1) * width
            let mean = images[own].reduce(0, +) / Double(width)
            let variance = images[own].reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(width)
            for index in own {
                let channel = index / pixels % channels
                result[index] =
                    (images[index] - mean) / (variance + 1e-6).squareRoot() * scale[channel] + shift[channel]
            }
        }
        return result
    }
}
