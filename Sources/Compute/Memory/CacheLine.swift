/// What processors read and write memory by.
enum CacheLine {
    static var bytes: Int { 64 }
}
