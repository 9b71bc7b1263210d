import Foundation

/// Names in JSON objects. One that stands twice a decoder takes for either, without a word.
enum JSONNames {
    /// The first name that an object has twice; nil where none has.
    ///
    /// - Parameter text: what a decoder has accepted.
    static func repeated(in text: [UInt8]) -> String? {
        /// Names of each object that is not closed yet, the innermost last.
        var objects: [Set<String>] = []
        var latest = 0..<0
        var position = 0
        while position < text.count {
            switch text[position] {
            case UInt8(ascii: "\""):
                let start = position
                position = end(ofStringAt: start, in: text)
                latest = start..<position
                continue
            case UInt8(ascii: "{"): objects.append([])
            case UInt8(ascii: "}"): _ = objects.popLast()
            case UInt8(ascii: ":"):
                // Only names come before a colon.
                guard !objects.isEmpty, let name = try? JSONDecoder().decode(String.self, from: Data(text[latest]))
                else {
                    break
                }
                if !objects[objects.count - 1].insert(name).inserted { return name }
            default: break
            }
            position += 1
        }
        return nil
    }

    /// Where a string ends that begins with the quotation mark at `start`.
    private static func end(ofStringAt start: Int, in text: [UInt8]) -> Int {
        var position = start + 1
        while position < text.count, text[position] != UInt8(ascii: "\"") {
            position += text[position] == UInt8(ascii: "\\") ? 2 : 1
        }
        return min(position + 1, text.count)
    }
}
