/// An error that tells a person what is wrong, where, and what to do, and with which code the program ends.
///
/// `description` is that message, on one line unless it lists several things.
public protocol Reportable: Error, CustomStringConvertible, Sendable {
    /// The program's exit code (sysexits.h), never 0.
    var exitCode: Int32 { get }
}
