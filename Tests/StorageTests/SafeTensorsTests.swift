import Foundation
import TestSupport
import Testing

@testable import Storage

@Suite struct SafeTensorsTests {
    typealias Tensor = (name: String, shape: [Int], values: [Float])

    /// In parts of two values.
    private func write(_ tensors: [Tensor], metadata: [String: String] = [:], to path: String) throws {
        try SafeTensors.write(tensors.map { ($0.name, $0.shape) }, metadata: metadata, to: path) { name, append in
            let values = tensors.first { $0.name == name }?.values ?? []
            for start in stride(from: 0, to: values.count, by: 2) {
                try Array(values[start..<min(start + 2, values.count)]).withUnsafeBufferPointer(append)
            }
        }
    }

    private let tensors: [Tensor] = [
        ("blocks.10.weight", [2, 3], [1, 2, 3, 4, 5, -6]), ("a", [], [0.1]), ("empty", [0, 4], []),
        ("blocks.9.\"wei\\ght\" ü/", [3], [.infinity, -0.0, .leastNonzeroMagnitude]),
    ]

    @Test func roundTrip() throws {
        let scratch = try TestFolder()
        try write(tensors, metadata: ["format": "pt", "note": "a\"b\nü"], to: scratch("a.safetensors"))
        let file = try SafeTensors.open(scratch("a.safetensors"))
        #expect(file.metadata == ["format": "pt", "note": "a\"b\nü"])
        #expect(file.names == tensors.map(\.name).sorted())
        for tensor in tensors {
            #expect(try file.shape(of: tensor.name) == tensor.shape)
            #expect(try file.type(of: tensor.name) == .float32)
            #expect(try file.read(tensor.name).map(\.bitPattern) == tensor.values.map(\.bitPattern))
        }
        #expect(file.dataStart % 8 == 0)
        #expect(try failure { _ = try file.read("none") }.kind == .missing)
        try write([], to: scratch("none.safetensors"))
        #expect(try SafeTensors.open(scratch("none.safetensors")).names.isEmpty)
        #expect(try failure { try write([tensors[0], tensors[0]], to: scratch("twice")) }.kind == .malformed)
        #expect(try !Files.exists(scratch("twice")))
    }

    @Test func partsAreRead() throws {
        let scratch = try TestFolder()
        try write(tensors, to: scratch("a.safetensors"))
        let file = try SafeTensors.open(scratch("a.safetensors"))
        var part = [Float](repeating: 0, count: 3)
        try part.withUnsafeMutableBufferPointer { try file.read("blocks.10.weight", from: 2, into: $0) }
        #expect(part == [3, 4, 5])
        // What cannot be finished is not there, and nothing that is there is replaced.
        let stopped = try failure {
            try SafeTensors.write([("a", [2])], to: scratch("b")) { _, _ in throw StorageError(.io, "x", "stopped") }
        }
        #expect(stopped.message == "stopped")
        #expect(try Files.names(in: scratch.path) == ["a.safetensors"])
        #expect(try failure { try write([], to: scratch("a.safetensors")) }.kind == .exists)
        #expect(try SafeTensors.open(scratch("a.safetensors")).headerCRC == file.headerCRC)
    }

    @Test func thePythonPackageReadsOurs() throws {
        let scratch = try TestFolder()
        try write(tensors, metadata: ["format": "pt"], to: scratch("a.safetensors"))
        let output = try Peer.python(
            """
            import sys
            from safetensors import safe_open
            with safe_open(sys.argv[1], 'numpy') as f:
                print(f.metadata())
                for name in sorted(f.keys()):
                    t = f.get_tensor(name)
                    print(name, t.dtype, list(t.shape), t.ravel().tolist())
            """, scratch("a.safetensors"), needs: "safetensors")
        #expect(
            output == """
                {'format': 'pt'}
                a float32 [] [0.10000000149011612]
                blocks.10.weight float32 [2, 3] [1.0, 2.0, 3.0, 4.0, 5.0, -6.0]
                blocks.9."wei\\ght" ü/ float32 [3] [inf, -0.0, 1.401298464324817e-45]
                empty float32 [0, 4] []
                """)
    }

    @Test func weReadThePythonPackages() throws {
        let scratch = try TestFolder()
        _ = try Peer.python(
            """
            import sys, json, numpy as np
            from safetensors.numpy import save_file
            x = np.arange(70000) / 8 - 100
            save_file({'f64': x, 'f32': x.astype('f4').reshape(7, -1), 'f16': x[:900].astype('f2'),
                       'i64': np.arange(3), 'scalar': np.array(2.5, 'f4')}, sys.argv[1], {'k': 'v'})
            # numpy has no bfloat16: by hand, as the format's document says.
            data = ((np.arange(5) - 2).astype('f4').view('u4') >> 16).astype('u2').tobytes()
            header = json.dumps({'bf16': {'dtype': 'BF16', 'shape': [5], 'data_offsets': [0, 10]}}).encode()
            open(sys.argv[2], 'wb').write(len(header).to_bytes(8, 'little') + header + data)
            """, scratch("a.safetensors"), scratch("b.safetensors"), needs: "safetensors")
        let file = try SafeTensors.open(scratch("a.safetensors"))
        let expected = (0..<70_000).map { Float($0) / 8 - 100 }
        #expect(file.metadata == ["k": "v"])
        #expect(try file.read("f64") == expected)
        #expect(try file.read("f32") == expected)
        #expect(try file.shape(of: "f32") == [7, 10_000])
        #expect(try file.read("f16") == Array(expected[..<900]))
        var part = [Float](repeating: 0, count: 5)
        try part.withUnsafeMutableBufferPointer { try file.read("f16", from: 700, into: $0) }
        #expect(part == Array(expected[700..<705]))
        #expect(try file.read("scalar") == [2.5])
        #expect(try failure { _ = try file.read("i64") }.message.contains("I64"))
        #expect(try SafeTensors.open(scratch("b.safetensors")).read("bf16") == [-2, -1, 0, 1, 2])
    }

    @Test(arguments: [
        (#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}"#, 8, nil),
        (#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}"#, 7, "truncated"),
        (#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}"#, 9, "no tensor"),
        (#"{"a":{"dtype":"F32","shape":[3],"data_offsets":[0,8]}}"#, 8, "12 bytes"),
        (#"{"a":{"dtype":"F32","shape":[-1],"data_offsets":[0,8]}}"#, 8, "negative"),
        (#"{"a":{"dtype":"F32","shape":[4611686018427387904,4],"data_offsets":[0,8]}}"#, 8, "beyond reason"),
        (#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[8,0]}}"#, 8, "no range"),
        (#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[4,12]}}"#, 12, "gap"),
        (#"{"a":{"dtype":"F9","shape":[2],"data_offsets":[0,8]}}"#, 8, "F9"),
        (#"{"a":{"dtype":"F32","shape":[2]}}"#, 8, "data_offsets"),
        (
            #"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"F32","shape":[2],"data_offsets":[4,12]}}"#,
            12, "overlaps"
        ),
        (#"{"a":{"dtype":"F32","shape":["2"],"data_offsets":[0,8]}}"#, 8, "shape"),
        (#"["a"]"#, 0, "damaged"), ("{", 0, "damaged"),
        (
            #"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}"#,
            8, "says twice what a is"
        ),
        (
            #"{"\":{":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"\u0022:{":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}"#,
            8, "says twice what \":{ is"
        ),
        (#"{"a":{"dtype":"F32","shape":[2],"dtype":"F32","data_offsets":[0,8]}}"#, 8, "twice what dtype is"),
        (
            #"{"__metadata__":{"a":"dtype: {","dtype":"}"},"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}"#, 8,
            nil
        ),
    ])
    func damagedHeaders(header: String, bytes: Int, fault: String?) throws {
        let scratch = try TestFolder()
        let length = withUnsafeBytes(of: UInt64(header.utf8.count).littleEndian) { Array($0) }
        try AtomicFile.write(length + Array(header.utf8) + [UInt8](repeating: 0, count: bytes), to: scratch("x"))
        guard let fault else {
            #expect(try SafeTensors.open(scratch("x")).read("a") == [0, 0])
            return
        }
        let error = try failure { _ = try SafeTensors.open(scratch("x")) }
        #expect(error.kind == .malformed)
        #expect(error.message.contains(fault), "\(error)")
    }

    @Test func foreignFiles() throws {
        let scratch = try TestFolder()
        try AtomicFile.write("short", to: scratch("short"))
        try AtomicFile.write([UInt8](repeating: 0xFF, count: 100), to: scratch("huge"))
        #expect(try failure { _ = try SafeTensors.open(scratch("short")) }.kind == .malformed)
        #expect(try failure { _ = try SafeTensors.open(scratch("huge")) }.kind == .malformed)
        #expect(try failure { _ = try SafeTensors.open(scratch("none")) }.kind == .missing)
    }
}
