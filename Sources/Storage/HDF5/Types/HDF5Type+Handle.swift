import CHDF5

extension HDF5Type {
    /// Types that HDF5 does not have ready-made; made once and kept.
    private struct Made {
        let float16: hid_t
        let bool: hid_t
        let string: hid_t

        init() throws {
            (float16, bool, string) = try HDF5Library.locked {
                let float16 = try HDF5Library.call("copy a type", "HDF5") { H5Tcopy(fpdm_file_float()) }
                // IEEE 754 binary16: the fields before the size, which may not cut them.
                try HDF5Library.call("make float16", "HDF5") { H5Tset_fields(float16, 15, 10, 5, 0, 10) }
                try HDF5Library.call("make float16", "HDF5") { H5Tset_size(float16, 2) }
                try HDF5Library.call("make float16", "HDF5") { H5Tset_ebias(float16, 15) }

                let bool = try HDF5Library.call("make bool", "HDF5") { H5Tenum_create(fpdm_file_int8()) }
                for (name, value) in [("FALSE", Int8(0)), ("TRUE", Int8(1))] {
                    var value = value
                    try HDF5Library.call("make bool", "HDF5") { H5Tenum_insert(bool, name, &value) }
                }

                let string = try HDF5Library.call("copy a type", "HDF5") { H5Tcopy(fpdm_c_string()) }
                try HDF5Library.call("make string", "HDF5") { H5Tset_size(string, fpdm_variable_length()) }
                try HDF5Library.call("make string", "HDF5") { H5Tset_cset(string, H5T_CSET_UTF8) }
                return (float16, bool, string)
            }
        }

        static let shared = Swift.Result { try Made() }
    }

    /// The type of elements in a file: little-endian. Not to be closed.
    func fileHandle(_ path: String) throws -> hid_t {
        switch self {
        case .float16: try Made.shared.get().float16
        case .float32: fpdm_file_float()
        case .float64: fpdm_file_double()
        case .int8: fpdm_file_int8()
        case .int16: fpdm_file_int16()
        case .int32: fpdm_file_int32()
        case .int64: fpdm_file_int64()
        case .uint8: fpdm_file_uint8()
        case .uint16: fpdm_file_uint16()
        case .uint32: fpdm_file_uint32()
        case .uint64: fpdm_file_uint64()
        case .bool: try Made.shared.get().bool
        case .string: try Made.shared.get().string
        case .other(let name): throw StorageError(.malformed, path, "nothing of type \(name) can be written")
        }
    }

    /// The type of elements in memory, in this machine's byte order. Not to be closed.
    func memoryHandle(_ path: String) throws -> hid_t {
        switch self {
        case .float32: fpdm_native_float()
        case .float64: fpdm_native_double()
        case .int8: fpdm_native_int8()
        case .int16: fpdm_native_int16()
        case .int32: fpdm_native_int32()
        case .int64: fpdm_native_int64()
        case .uint8: fpdm_native_uint8()
        case .uint16: fpdm_native_uint16()
        case .uint32: fpdm_native_uint32()
        case .uint64: fpdm_native_uint64()
        // One byte order: this program runs on little-endian machines only.
        case .float16, .bool, .string, .other: try fileHandle(path)
        }
    }

    /// What a type found in a file is. Under the lock.
    init(reading type: hid_t, _ path: String, _ object: String) throws {
        let size = H5Tget_size(type)
        switch H5Tget_class(type) {
        case H5T_FLOAT: self = Self.float(type, size)
        case H5T_INTEGER: self = Self.integer(type, size)
        case H5T_STRING: self = .string
        case H5T_ENUM:
            self = Self.isBool(type, size) ? .bool : .other("enumeration")
        case H5T_COMPOUND: self = .other("compound")
        case H5T_VLEN: self = .other("variable-length list")
        case H5T_ARRAY: self = .other("array")
        case H5T_OPAQUE: self = .other("opaque")
        case H5T_REFERENCE: self = .other("reference")
        case H5T_NO_CLASS: throw StorageError(.malformed, path, "\(object): its type cannot be read")
        default: self = .other("unknown")
        }
    }

    private static func float(_ type: hid_t, _ size: Int) -> HDF5Type {
        switch (size, H5Tget_ebias(type)) {
        case (2, 15): .float16
        case (4, 127): .float32
        case (8, 1023): .float64
        default: .other("\(size)-byte float")
        }
    }

    private static func integer(_ type: hid_t, _ size: Int) -> HDF5Type {
        switch (size, H5Tget_sign(type) == H5T_SGN_NONE) {
        case (1, false): .int8
        case (2, false): .int16
        case (4, false): .int32
        case (8, false): .int64
        case (1, true): .uint8
        case (2, true): .uint16
        case (4, true): .uint32
        case (8, true): .uint64
        default: .other("\(size)-byte integer")
        }
    }

    /// h5py's bool: members FALSE and TRUE of one byte.
    private static func isBool(_ type: hid_t, _ size: Int) -> Bool {
        guard size == 1, H5Tget_nmembers(type) == 2 else { return false }
        var value: Int8 = 0
        guard H5Tenum_valueof(type, "FALSE", &value) >= 0, value == 0 else { return false }
        return H5Tenum_valueof(type, "TRUE", &value) >= 0 && value == 1
    }
}
