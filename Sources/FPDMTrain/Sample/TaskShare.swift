import ArgumentParser
import Foundation

/// Which share of the images a process of several draws that know nothing of each other: task 3 of 8, counted from 0.
struct TaskShare: ExpressibleByArgument, Equatable {
    let task: Int
    let count: Int

    init?(task: Int, count: Int) {
        guard count >= 1, 0..<count ~= task else { return nil }
        (self.task, self.count) = (task, count)
    }

    /// `3/8`, or `slurm` for the task of the array job that this process is of.
    init?(argument: String) { self.init(argument, ProcessInfo.processInfo.environment) }

    init?(_ text: String, _ environment: [String: String]) {
        if text == "slurm" {
            func number(_ name: String) -> Int? { environment["SLURM_ARRAY_TASK_\(name)"].flatMap { Int($0) } }
            guard let own = number("ID"), let count = number("COUNT") else { return nil }
            let (least, step) = (number("MIN") ?? 0, number("STEP") ?? 1)
            guard step > 0, own >= least, (own - least) % step == 0 else { return nil }
            self.init(task: (own - least) / step, count: count)
            return
        }
        let parts = text.split(separator: "/", omittingEmptySubsequences: false).map { Int($0) }
        guard parts.count == 2, let task = parts[0], let count = parts[1] else { return nil }
        self.init(task: task, count: count)
    }
}
