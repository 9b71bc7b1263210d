import CHDF5

extension HDF5File {
    /// Reads an attribute.
    ///
    /// - Parameters:
    ///   - name: its name.
    ///   - object: the group or data set it is of; the root group unless told.
    /// - Throws: ``StorageError``: `.malformed` if the attribute is missing or holds something else, `.missing` if the
    ///   object is.
    public func attribute<Value: HDF5AttributeValue>(
        _ name: String, of object: String = "/", as: Value.Type = Value.self
    ) throws -> Value {
        let content = try attributeContent(name, of: object)
        guard let value = Value(hdf5: content) else {
            throw StorageError(
                .malformed, path,
                "\(object): attribute \(name) should be \(Value.hdf5Description), but holds \(content.summary)")
        }
        return value
    }

    /// Whether an object has an attribute of this name.
    public func hasAttribute(_ name: String, of object: String = "/") throws -> Bool {
        try withObject(object) { handle in
            try HDF5Library.ask("look up the attribute \(name)", path, object) { H5Aexists(handle, name) }
        }
    }

    /// The names of an object's attributes, sorted.
    public func attributeNames(of object: String = "/") throws -> [String] {
        try withObject(object) { handle in
            var names: [String] = []
            try withUnsafeMutablePointer(to: &names) { names in
                _ = try HDF5Library.call("list the attributes", path, object) {
                    fpdm_attribute_names(handle, appendName, names)
                }
            }
            return names
        }
    }

    /// Writes an attribute, in place of one of that name.
    ///
    /// - Parameter fixedLength: whether text is stored in the attribute itself, as many bytes for each as the longest
    ///   has. h5py reads it as bytes then; else it goes to a heap, which has no checksum, and h5py reads it as text.
    public func setAttribute<Value: HDF5AttributeValue>(
        _ name: String, _ value: Value, of object: String = "/", fixedLength: Bool = false
    ) throws {
        let content = value.hdf5
        if fixedLength, case .strings(let strings) = content.values {
            return try setFixedText(name, strings, shape: content.shape, of: object)
        }
        let type: HDF5Type =
            switch content.values {
            case .integers: .int64
            case .doubles: .float64
            case .floats: .float32
            case .bools: .bool
            case .strings: .string
            }
        try replaceAttribute(name, of: object, try type.fileHandle(path), shape: content.shape) { attribute, place in
            try write(content.values, type, to: attribute, place)
        }
    }

    private func setFixedText(_ name: String, _ strings: [String], shape: [Int], of object: String) throws {
        try HDF5Library.locked {
            let type = try HDF5Strings.fixedType(strings.map(\.utf8.count).max() ?? 0, path)
            defer { H5Tclose(type) }
            try replaceAttribute(name, of: object, type, shape: shape) { attribute, place in
                guard !strings.isEmpty else { return }
                try HDF5Strings.write(strings, fixed: type, path, place) { H5Awrite(attribute, type, $0) }
            }
        }
    }

    /// Makes an attribute, in place of one of that name, and fills it.
    private func replaceAttribute(
        _ name: String, of object: String, _ type: hid_t, shape: [Int], _ fill: (hid_t, _ place: String) throws -> Void
    ) throws {
        try withObject(object) { handle in
            let place = "\(object)@\(name)"
            if try HDF5Library.ask("look up", path, place, { H5Aexists(handle, name) }) {
                try HDF5Library.call("replace", path, place) { H5Adelete(handle, name) }
            }
            let space = try HDF5Space.create(shape: shape, path, place)
            defer { H5Sclose(space) }
            let attribute = try HDF5Library.call("create", path, place) {
                H5Acreate2(handle, name, type, space, fpdm_default, fpdm_default)
            }
            defer { H5Aclose(attribute) }
            try fill(attribute, place)
        }
    }

    private func write(
        _ values: HDF5AttributeContent.Values, _ type: HDF5Type, to attribute: hid_t, _ place: String
    ) throws {
        let memoryType = try type.memoryHandle(path)
        func write<Element>(_ elements: [Element]) throws {
            guard !elements.isEmpty else { return }
            try elements.withUnsafeBytes { bytes in
                _ = try HDF5Library.call("write", path, place) { H5Awrite(attribute, memoryType, bytes.baseAddress) }
            }
        }
        switch values {
        case .integers(let elements): try write(elements)
        case .doubles(let elements): try write(elements)
        case .floats(let elements): try write(elements)
        case .bools(let elements): try write(elements.map { Int8($0 ? 1 : 0) })
        case .strings(let elements):
            try HDF5Strings.write(elements, path, place) { type, bytes in H5Awrite(attribute, type, bytes) }
        }
    }
}

extension HDF5File {
    /// Reads an attribute of whatever type.
    public func attributeContent(_ name: String, of object: String = "/") throws -> HDF5AttributeContent {
        try withObject(object) { handle in
            let place = "\(object)@\(name)"
            guard try HDF5Library.ask("look up", path, place, { H5Aexists(handle, name) }) else {
                throw StorageError(.malformed, path, "\(object): lacks the attribute \(name)")
            }
            let attribute = try HDF5Library.call("open", path, place) { H5Aopen(handle, name, fpdm_default) }
            defer { H5Aclose(attribute) }
            let type = try HDF5Library.call("examine", path, place) { H5Aget_type(attribute) }
            defer { H5Tclose(type) }
            let space = try HDF5Library.call("examine", path, place) { H5Aget_space(attribute) }
            defer { H5Sclose(space) }
            let shape = try HDF5Space.shape(of: space, path, place)
            let values = try read(attribute, type, space, count: HDF5Space.count(shape, path, place), place)
            return HDF5AttributeContent(values, shape: shape)
        }
    }

    private func read(
        _ attribute: hid_t, _ type: hid_t, _ space: hid_t, count: Int, _ place: String
    ) throws -> HDF5AttributeContent.Values {
        func read<Element: HDF5Scalar>(_ elementType: HDF5Type, _ zero: Element) throws -> [Element] {
            var elements = [Element](repeating: zero, count: count)
            guard count > 0 else { return elements }
            let memoryType = try elementType.memoryHandle(path)
            try elements.withUnsafeMutableBytes { bytes in
                _ = try HDF5Library.call("read", path, place) { H5Aread(attribute, memoryType, bytes.baseAddress) }
            }
            return elements
        }
        switch try HDF5Type(reading: type, path, place) {
        case .int8, .int16, .int32, .int64, .uint8, .uint16, .uint32: return .integers(try read(.int64, Int(0)))
        case .uint64:
            return .integers(
                try read(.uint64, UInt64(0)).map { value in
                    guard let integer = Int(exactly: value) else {
                        throw StorageError(.malformed, path, "\(place): \(value) is too large")
                    }
                    return integer
                })
        case .float16, .float32, .float64: return .doubles(try read(.float64, Double(0)))
        case .bool: return .bools(try read(.bool, Int8(0)).map { $0 != 0 })
        case .string:
            return .strings(
                try HDF5Strings.read(type: type, count: count, space: space, path, place) { type, bytes in
                    H5Aread(attribute, type, bytes)
                })
        case .other(let name):
            throw StorageError(.malformed, path, "\(place): holds a type that is not understood (\(name))")
        }
    }
}
