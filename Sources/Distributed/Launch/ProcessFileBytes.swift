/// How much this process has read and written, by the kernel's own account (proc_pid_io(5)).
public enum ProcessFileBytes {
    /// Bytes so far, by system calls and by page faults of mapped files; 0 where the kernel does not tell.
    public static var current: UInt64 { bytes(SystemFiles.read) }

    static func bytes(_ readFile: (String) -> String?) -> UInt64 {
        var total: UInt64 = 0
        for line in (readFile("/proc/self/io") ?? "").split(separator: "\n") {
            // rchar: 323934931
            let words = line.split { $0 == ":" || $0.isWhitespace }
            guard words.count == 2, ["rchar", "wchar", "read_bytes"].contains(words[0]) else { continue }
            total &+= UInt64(words[1]) ?? 0
        }
        return total
    }
}
