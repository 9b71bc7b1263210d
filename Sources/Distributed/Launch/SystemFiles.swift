import Glibc

/// The small text files in which the kernel tells about itself.
enum SystemFiles {
    /// A file's text; nil where it cannot be read.
    static func read(_ path: String) -> String? {
        guard let file = fopen(path, "re") else { return nil }
        defer { fclose(file) }
        var bytes: [UInt8] = []
        var part = [UInt8](repeating: 0, count: 4096)
        // Such files tell no length beforehand.
        while true {
            let count = fread(&part, 1, part.count, file)
            bytes += part.prefix(count)
            if count < part.count { break }
        }
        return ferror(file) == 0 ? String(decoding: bytes, as: UTF8.self) : nil
    }
}
