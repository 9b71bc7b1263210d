/// How much memory this process holds, by the kernel's own account (proc_pid_status(5)).
public enum ProcessMemory {
    /// Resident now, in bytes; 0 where the kernel does not tell.
    public static var resident: Int { bytes("VmRSS:", SystemFiles.read) }
    /// The most that was ever resident, in bytes; 0 where the kernel does not tell.
    public static var peak: Int { bytes("VmHWM:", SystemFiles.read) }

    static func bytes(_ key: String, _ readFile: (String) -> String?) -> Int {
        for line in (readFile("/proc/self/status") ?? "").split(separator: "\n") where line.hasPrefix(key) {
            // VmRSS:     123456 kB
            let words = line.split(whereSeparator: \.isWhitespace)
            return words.count == 3 ? (Int(words[1]) ?? 0) << 10 : 0
        }
        return 0
    }
}
