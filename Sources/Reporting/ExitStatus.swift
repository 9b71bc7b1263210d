/// How the program ends: the codes of sysexits.h that it uses, which batch scripts tell apart.
public enum ExitStatus: Int32, Sendable {
    /// The command line says something that cannot be.
    case usage = 64
    /// A file's content is not what it should be, or a job cannot be.
    case badData = 65
    /// A file is not there.
    case noInput = 66
    /// The program, or a library, is at fault; or training has diverged.
    case software = 70
    /// Something would be overwritten, or is in use.
    case cannotCreate = 73
    /// A disk is full, fails, or refuses.
    case io = 74
    /// Saved: start the same command again.
    case tryAgain = 75
}
