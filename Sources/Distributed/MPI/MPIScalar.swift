internal import CMPI

/// A value that travels between ranks as it lies in memory.
public protocol MPIScalar: BitwiseCopyable, Sendable {
    /// How MPI names this type.
    static var mpiElement: MPIElement { get }
}

/// The element types that messages and reductions know (MPI 3.1, section 3.2.2).
public enum MPIElement: Sendable {
    case float, double, int32, int64, uint8
}

/// How `reduce` and its kin combine the ranks' values (MPI 3.1, section 5.9.2).
///
/// The order of a sum is the library's choice: where equal bits matter, exchange and add in a fixed order.
public enum Reduction: Sendable {
    case sum, min, max
}

extension Float: MPIScalar {
    public static var mpiElement: MPIElement { .float }
}
extension Double: MPIScalar {
    public static var mpiElement: MPIElement { .double }
}
extension Int32: MPIScalar {
    public static var mpiElement: MPIElement { .int32 }
}
extension Int64: MPIScalar {
    public static var mpiElement: MPIElement { .int64 }
}
extension Int: MPIScalar {
    public static var mpiElement: MPIElement { .int64 }
}
extension UInt8: MPIScalar {
    public static var mpiElement: MPIElement { .uint8 }
}

extension MPIElement {
    var handle: MPI_Datatype {
        switch self {
        case .float: fpdm_type_float()
        case .double: fpdm_type_double()
        case .int32: fpdm_type_int32()
        case .int64: fpdm_type_int64()
        case .uint8: fpdm_type_uint8()
        }
    }
}

extension Reduction {
    var handle: MPI_Op {
        switch self {
        case .sum: fpdm_op_sum()
        case .min: fpdm_op_min()
        case .max: fpdm_op_max()
        }
    }
}
