import Foundation
import TestSupport
import Testing

@testable import Storage

@Suite struct HDF5AttributeTests {
    @Test func roundTrips() throws {
        let scratch = try TestFolder()
        let file = try HDF5File.create(scratch("a.h5"))
        _ = try file.createDataset("/g/x", .float32, shape: [1])
        try file.setAttribute("int", Int.min)
        try file.setAttribute("double", 0.1, of: "/g")
        try file.setAttribute("float", Float(0.1))
        try file.setAttribute("yes", true)
        try file.setAttribute("no", false)
        try file.setAttribute("text", "größer\n\"x\"")
        try file.setAttribute("empty", "")
        try file.setAttribute("long", String(repeating: "0123456789", count: 20_000))
        try file.setAttribute("ints", [3, -1, 2])
        try file.setAttribute("doubles", [0.5])
        // More than an object's header takes.
        let floats = (0..<40_000).map { Float($0) / 7 }
        try file.setAttribute("floats", floats)
        try file.setAttribute("strings", ["a", "", "ccc"])
        try file.setAttribute("none", [Int]())
        #expect(try file.attribute("int") == Int.min)
        #expect(try file.attribute("double", of: "/g") == 0.1)
        #expect(try file.attribute("float") == Float(0.1))
        #expect(try file.attribute("yes", as: Bool.self))
        #expect(try !file.attribute("no", as: Bool.self))
        #expect(try file.attribute("text") == "größer\n\"x\"")
        #expect(try file.attribute("empty", as: String.self).isEmpty)
        #expect(try file.attribute("long", as: String.self).count == 200_000)
        #expect(try file.attribute("ints") == [3, -1, 2])
        #expect(try file.attribute("doubles") == [0.5])
        #expect(try file.attribute("floats") == floats)
        #expect(try file.attribute("strings") == ["a", "", "ccc"])
        #expect(try file.attribute("none", as: [Int].self).isEmpty)
        #expect(try file.attributeNames(of: "/g") == ["double"])
        #expect(try file.hasAttribute("ints"))
        #expect(try !file.hasAttribute("ints", of: "/g"))

        try file.setAttribute("int", "now text")
        #expect(try file.attribute("int") == "now text")
        #expect(try file.attributeNames(of: "/").count == 12)
    }

    /// Text without a heap, which h5py reads as bytes; also more of it than an object's header takes.
    @Test func textOfFixedLength() throws {
        let scratch = try TestFolder()
        let names = (0..<1000).map { "\($0) \(String(repeating: "ß", count: $0 % 70))" }
        let file = try HDF5File.create(scratch("a.h5"))
        func set(_ name: String, _ value: some HDF5AttributeValue) throws {
            try file.setAttribute(name, value, fixedLength: true)
        }
        try set("text", "first")
        try set("text", "größer\n\"x\"")
        try set("empty", "")
        try set("long", String(repeating: "0123456789", count: 20_000))
        try set("names", names)
        try set("none", [String]())
        try set("blank", ["", ""])
        try set("number", 7)
        #expect(throws: StorageError.self) { try set("zero", "a\0b") }
        try file.close()
        let again = try HDF5File.open(scratch("a.h5"))
        #expect(try again.attribute("text") == "größer\n\"x\"")
        #expect(try again.attribute("empty", as: String.self).isEmpty)
        #expect(try again.attribute("long", as: String.self).count == 200_000)
        #expect(try again.attribute("names") == names)
        #expect(try again.attribute("none", as: [String].self).isEmpty)
        #expect(try again.attribute("blank") == ["", ""])
        #expect(try again.attribute("number") == 7)
        let found = try Peer.python(
            """
            import sys, h5py
            a = h5py.File(sys.argv[1]).attrs
            print(a['text'].decode() == 'größer\\n"x"', len(a['long']), a['names'][999].decode(), len(a['none']))
            """, scratch("a.h5"))
        #expect(found == "True 200000 \(names[999]) 0")
        #expect(try position(of: Array("GCOL".utf8), in: Files.read(scratch("a.h5"))) == nil, "no heap of text")
    }

    @Test func whatIsWrongIsNamed() throws {
        let scratch = try TestFolder()
        let file = try HDF5File.create(scratch("a.h5"))
        try file.setAttribute("scale", 2.5)
        try file.setAttribute("many", [1, 2])
        let missing = try failure { _ = try file.attribute("shift", as: Double.self) }
        #expect(missing.kind == .malformed)
        #expect(missing.message.contains("shift"))
        let wrong = try failure { _ = try file.attribute("scale", as: Int.self) }
        #expect(wrong.kind == .malformed)
        #expect(wrong.message.contains("scale"))
        #expect(throws: StorageError.self) { try file.attribute("scale", as: String.self) }
        #expect(throws: StorageError.self) { try file.attribute("scale", as: Bool.self) }
        #expect(throws: StorageError.self) { try file.attribute("many", as: Int.self) }
        #expect(try failure { _ = try file.attribute("x", of: "/none", as: Int.self) }.kind == .missing)
        #expect(throws: StorageError.self) { try file.setAttribute("zero", "a\0b") }
    }

    @Test func readsWhatH5pyWrites() throws {
        let scratch = try TestFolder()
        _ = try Peer.python(
            """
            import sys, h5py, numpy as np
            with h5py.File(sys.argv[1], 'w') as f:
                a = f.attrs
                a['int'] = 7
                for name in 'int8 int16 int32 int64 uint8 uint16 uint32 uint64'.split():
                    a[name] = np.dtype(name).type(100)
                a['big'] = np.array(-5, '>i4')
                a['huge'] = np.uint64(2**64 - 1)
                a['float'] = 0.25; a['float32'] = np.float32(0.1); a['float16'] = np.float16(0.5)
                a['yes'] = True; a['no'] = np.bool_(False); a['bools'] = np.array([True, False])
                a['vlen'] = 'größer'
                a['fixed'] = np.bytes_(b'ascii')
                a['fixed utf8'] = np.array('größer'.encode(), h5py.string_dtype('utf-8', 12))
                a['ascii vlen'] = np.array('plain', dtype=h5py.string_dtype('ascii'))
                a['tuple'] = (3, 4); a['list'] = [1.5, 2]; a['empty'] = []
                a['one'] = [5]; a['matrix'] = [[1, 2], [3, 4]]
                a['names'] = ['zero', 'one']
                a['fixed names'] = np.array([b'a', b'bcd'])
                a['null'] = h5py.Empty('f')
                f.create_dataset('half', data=np.arange(6, dtype=np.float16).reshape(2, 3) / 4)
                f.create_dataset('bytes', data=np.arange(5, dtype=np.uint8), compression='gzip', fletcher32=True)
                f.create_dataset('text', data='größer'); f['scalar'] = np.float64(2.5)
                f.create_dataset('big', data=np.arange(4, dtype='>f4'))
                f['soft'] = h5py.SoftLink('/gone')
            """, scratch("a.h5"))
        let file = try HDF5File.open(scratch("a.h5"))
        #expect(try file.attribute("int") == 7)
        for name in ["int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"] {
            #expect(try file.attribute(name) == 100, "\(name)")
            #expect(try file.attribute(name) == 100.0, "\(name)")
        }
        #expect(try file.attribute("big") == -5)
        #expect(try failure { _ = try file.attribute("huge", as: Int.self) }.kind == .malformed)
        #expect(try file.attribute("float") == 0.25)
        #expect(try file.attribute("float32") == Float(0.1))
        #expect(try file.attribute("float16") == 0.5)
        #expect(try file.attribute("yes", as: Bool.self))
        #expect(try !file.attribute("no", as: Bool.self))
        #expect(try file.attribute("vlen") == "größer")
        #expect(try file.attribute("fixed") == "ascii")
        #expect(try file.attribute("fixed utf8") == "größer")
        #expect(try file.attribute("ascii vlen") == "plain")
        #expect(try file.attribute("tuple") == [3, 4])
        #expect(try file.attribute("list") == [1.5, 2])
        #expect(try file.attribute("empty", as: [Int].self).isEmpty)
        #expect(try file.attribute("one") == 5)
        #expect(try file.attribute("int") == [7])
        #expect(throws: StorageError.self) { try file.attribute("matrix", as: [Int].self) }
        #expect(try file.attribute("names") == ["zero", "one"])
        #expect(try file.attribute("fixed names") == ["a", "bcd"])
        #expect(throws: StorageError.self) { try file.attribute("null", as: Double.self) }
        #expect(try file.attributeNames(of: "/").count == 29)

        #expect(try file.dataset("half").type == .float16)
        #expect(try file.dataset("half").read(Float.self) == [0, 0.25, 0.5, 0.75, 1, 1.25])
        #expect(try file.dataset("bytes").read(UInt8.self) == [0, 1, 2, 3, 4])
        #expect(try file.dataset("text").type == .string)
        #expect(try file.dataset("scalar").read(Double.self) == [2.5])
        #expect(try file.dataset("big").read(Float.self) == [0, 1, 2, 3])
        #expect(!file.exists("soft"))
        #expect(try file.names(in: "/").contains("soft"))
    }

    @Test func h5pyReadsWhatWeWrite() throws {
        let scratch = try TestFolder()
        let file = try HDF5File.create(scratch("a.h5"))
        try file.setAttribute("int", -3)
        try file.setAttribute("yes", true)
        try file.setAttribute("float", Float(0.5))
        try file.setAttribute("text", "größer")
        try file.setAttribute("ints", [1, 2])
        try file.setAttribute("names", ["a", "bb"])
        try file.createDataset("half", .float16, shape: [2]).write([Float(0.5), -2])
        try file.createDataset(
            "/deep/images", .uint8, shape: [5, 1, 2], layout: .chunked([2, 1, 2], deflate: 1, shuffle: true)
        ).write((0..<10).map { UInt8($0) })
        try file.createDataset("empty", .float32, shape: [0, 3]).write([Float]())
        try file.close()
        let output = try Peer.python(
            """
            import sys, h5py, numpy as np
            with h5py.File(sys.argv[1]) as f:
                a = f.attrs
                assert a['int'] == -3 and a['int'].dtype == np.int64
                assert a['yes'].dtype == np.bool_ and a['yes']
                assert a['float'].dtype == np.float32 and a['float'] == 0.5
                assert a['text'] == 'größer' and isinstance(a['text'], str)
                assert a['ints'].tolist() == [1, 2] and list(a['names']) == ['a', 'bb']
                assert f['half'].dtype == np.float16 and f['half'][:].tolist() == [0.5, -2]
                images = f['deep/images']
                assert images.chunks == (2, 1, 2) and images.fletcher32 and images.shuffle
                assert images.compression == 'gzip' and images.compression_opts == 1
                assert images[:].ravel().tolist() == list(range(10))
                assert f['empty'].shape == (0, 3)
                print('equal')
            """, scratch("a.h5"))
        #expect(output == "equal")
        let dump = try Peer.h5dump(scratch("a.h5"))
        #expect(dump.contains("GROUP \"deep\""))
        #expect(dump.contains("0, 1") && dump.contains("TRUE"))
    }
}
