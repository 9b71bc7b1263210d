/// The program's version, as `--version` prints it and checkpoints record it.
public enum ProgramVersion {
    public static let current = "0.5.0"
}
