import CHDF5

extension HDF5File {
    /// Whether there is a group or data set of this path; a dangling link does not count, nor does a closed file.
    public func exists(_ object: String) -> Bool {
        let found = try? withHandle { handle in try isPresent(object, handle) }
        return found ?? false
    }

    /// The names in a group, sorted.
    public func names(in group: String) throws -> [String] {
        try withObject(group) { handle in
            guard H5Iget_type(handle) == H5I_GROUP else {
                throw StorageError(.malformed, path, "\(group): is not a group")
            }
            var names: [String] = []
            try withUnsafeMutablePointer(to: &names) { names in
                _ = try HDF5Library.call("list", path, group) { fpdm_link_names(handle, appendName, names) }
            }
            return names
        }
    }

    /// What tells an object from all others, by whatever path it is reached: links may lead back to a group above.
    public func identity(of object: String) throws -> [UInt64] {
        try withObject(object) { handle in
            var identity: [UInt64] = [0, 0, 0]
            try HDF5Library.call("examine", path, object) { fpdm_object_identity(handle, &identity) }
            return identity
        }
    }

    /// What stands at a path.
    ///
    /// - Throws: ``StorageError``, `.missing` if nothing does.
    public func kind(of object: String) throws -> ObjectKind {
        try withObject(object) { handle in
            switch H5Iget_type(handle) {
            case H5I_GROUP: return .group
            case H5I_DATASET: return .dataset
            default: throw StorageError(.malformed, path, "\(object): is neither a group nor a data set")
            }
        }
    }
}

/// Appends a name to the `[String]` behind `context`.
func appendName(_ name: UnsafePointer<CChar>?, _ context: UnsafeMutableRawPointer?) {
    guard let name, let context else { return }
    context.assumingMemoryBound(to: [String].self).pointee.append(String(cString: name))
}

extension HDF5File {
    /// Opens an object for a while.
    func withObject<Result>(_ object: String, _ body: (hid_t) throws -> Result) throws -> Result {
        try withHandle { handle in
            try requirePresent(object, handle)
            let opened = try HDF5Library.call("open", path, object) { H5Oopen(handle, object, fpdm_default) }
            defer { H5Oclose(opened) }
            return try body(opened)
        }
    }

    func requirePresent(_ object: String, _ handle: hid_t) throws {
        if try !isPresent(object, handle) {
            throw StorageError(.missing, path, "\(object): there is no such group or data set in the file")
        }
    }

    func refuseExisting(_ object: String, _ handle: hid_t) throws {
        if try isPresent(object, handle) { throw StorageError(.exists, path, "\(object): is in the file already") }
    }

    /// HDF5 answers for the last part of a path only if all before it are there.
    private func isPresent(_ object: String, _ handle: hid_t) throws -> Bool {
        var prefix = ""
        for part in object.split(separator: "/") where part != "." {
            // A data set on the way is an error to HDF5, and to us: nothing lies below it.
            if !prefix.isEmpty {
                let above = try HDF5Library.call("open", path, prefix) { H5Oopen(handle, prefix, fpdm_default) }
                defer { H5Oclose(above) }
                guard H5Iget_type(above) == H5I_GROUP else { return false }
            }
            prefix += "/\(part)"
            guard try HDF5Library.ask("look up", path, prefix, { H5Lexists(handle, prefix, fpdm_default) }) else {
                return false
            }
            guard try HDF5Library.ask("look up", path, prefix, { H5Oexists_by_name(handle, prefix, fpdm_default) })
            else { return false }
        }
        return true
    }

    /// Makes the groups on a path that are missing. HDF5 could make those on the way by itself, but with times in
    /// them, by which equal content would be unequal bytes.
    func makeGroups(_ object: String, _ handle: hid_t) throws {
        let link = try linkProperties(object)
        defer { H5Pclose(link) }
        let creation = try HDF5Library.call("prepare", path, object) { H5Pcreate(fpdm_group_create()) }
        defer { H5Pclose(creation) }
        try HDF5Library.call("prepare", path, object) { H5Pset_obj_track_times(creation, false) }
        var prefix = ""
        for part in object.split(separator: "/") where part != "." {
            prefix += "/\(part)"
            if try isPresent(prefix, handle) { continue }
            let group = try HDF5Library.call("create the group", path, prefix) {
                H5Gcreate2(handle, prefix, link, creation, fpdm_default)
            }
            try HDF5Library.call("close", path, prefix) { H5Gclose(group) }
        }
    }

    /// Names in UTF-8. The caller closes it.
    func linkProperties(_ object: String) throws -> hid_t {
        let link = try HDF5Library.call("prepare", path, object) { H5Pcreate(fpdm_link_create()) }
        do {
            try HDF5Library.call("prepare", path, object) { H5Pset_char_encoding(link, H5T_CSET_UTF8) }
            return link
        } catch {
            H5Pclose(link)
            throw error
        }
    }
}
