import CHDF5

/// The type of a data set's elements in the file.
///
/// Numeric types are converted on reading and writing; values beyond an integer's range are clipped.
public enum HDF5Type: Equatable, Sendable {
    case float16, float32, float64
    case int8, int16, int32, int64
    case uint8, uint16, uint32, uint64
    /// As h5py writes it: an enumeration of int8, FALSE = 0 and TRUE = 1.
    case bool
    /// Text of any length, UTF-8.
    case string
    /// What this module reads no meaning into; for messages.
    case other(String)

    /// Bytes an element of a numeric type takes.
    public var byteCount: Int? {
        switch self {
        case .int8, .uint8, .bool: 1
        case .float16, .int16, .uint16: 2
        case .float32, .int32, .uint32: 4
        case .float64, .int64, .uint64: 8
        case .string, .other: nil
        }
    }
}

/// A Swift number that data sets are read into and written from.
public protocol HDF5Scalar: BitwiseCopyable, Sendable {
    /// The type of equal layout.
    static var hdf5Type: HDF5Type { get }
}

extension Float: HDF5Scalar { public static var hdf5Type: HDF5Type { .float32 } }
extension Float16: HDF5Scalar { public static var hdf5Type: HDF5Type { .float16 } }
extension Double: HDF5Scalar { public static var hdf5Type: HDF5Type { .float64 } }
extension Int: HDF5Scalar { public static var hdf5Type: HDF5Type { .int64 } }
extension Int8: HDF5Scalar { public static var hdf5Type: HDF5Type { .int8 } }
extension Int16: HDF5Scalar { public static var hdf5Type: HDF5Type { .int16 } }
extension Int32: HDF5Scalar { public static var hdf5Type: HDF5Type { .int32 } }
extension Int64: HDF5Scalar { public static var hdf5Type: HDF5Type { .int64 } }
extension UInt8: HDF5Scalar { public static var hdf5Type: HDF5Type { .uint8 } }
extension UInt16: HDF5Scalar { public static var hdf5Type: HDF5Type { .uint16 } }
extension UInt32: HDF5Scalar { public static var hdf5Type: HDF5Type { .uint32 } }
extension UInt64: HDF5Scalar { public static var hdf5Type: HDF5Type { .uint64 } }
