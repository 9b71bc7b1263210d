import Foundation
import Storage
import TestSupport
import Testing

@testable import Datasets

/// Folders of features as fast-DiT's `extract_features.py` writes them.
@Suite struct FeatureFolderTests {
    let folder: TestFolder

    init() throws {
        folder = try TestFolder()
        _ = try Peer.python(
            """
            import os
            import numpy as np
            rng = np.random.default_rng(1)
            for name in ('f/imagenet256_features', 'f/imagenet256_labels', 'dino', 'groups', 'group_labels'): os.makedirs(name)
            x = rng.normal(0, 1, (12, 4, 8, 8)).astype(np.float32)
            y = rng.integers(0, 1000, 12)
            d = rng.normal(0, 1, (12, 5)).astype(np.float32)
            for i in range(12):
                np.save(f'f/imagenet256_features/{i}.npy', x[i:i + 1])
                np.save(f'f/imagenet256_labels/{i}.npy', y[i:i + 1])
                np.save(f'dino/{i}.npy', d[i:i + 1] if i % 2 else d[i])
            for i in range(3):
                np.save(f'groups/part-{i}.npy', x[4 * i:4 * i + 4])
                np.save(f'group_labels/part-{i}.npy', y[4 * i:4 * i + 4])
            x.tofile('x'); y.astype(np.float32).tofile('y'); d.tofile('d')
            """, needs: "numpy", in: folder.path)
    }

    private func floats(_ name: String) throws -> [Float] {
        try Files.read(folder(name)).withUnsafeBytes { Array($0.bindMemory(to: Float.self)) }
    }

    @Test func filesGoTogetherByName() throws {
        let found = try #require(try FeatureFolderSource.folders(in: folder("f")))
        #expect(found.features == folder("f/imagenet256_features") && found.labels == folder("f/imagenet256_labels"))
        #expect(try FeatureFolderSource.folders(in: folder("dino"))?.labels == nil)
        #expect(try FeatureFolderSource.folders(in: folder.path) == nil)
        // Beside labels, features of DINO have to be asked for.
        for name in ["a_features", "a_dino_vitb8", "a_labels"] {
            try AtomicFile.createDirectory(folder("published/\(name)"))
            let labels = try FeatureFolderSource.folders(in: folder("published"))?.labels
            let wanted = ["a_features": nil, "a_dino_vitb8": name, "a_labels": name][name] ?? nil
            #expect(labels == wanted.map { folder("published/\($0)") })
        }
        let (x, y, d) = (try floats("x"), try floats("y"), try floats("d"))
        let classes = try FeatureFolderSource(path: found.features, labels: found.labels)
        let vectors = try FeatureFolderSource(path: found.features, labels: folder("dino"))
        let groups = try FeatureFolderSource(path: folder("groups"), labels: folder("group_labels"))
        let plain = try FeatureFolderSource(path: found.features, labels: nil)
        #expect(classes.labels == .classes && vectors.labels == .continuous(5) && plain.labels == .none)
        #expect(classes.content == "latents" && classes.scaling == (1, 0) && classes.channels == 4 && classes.side == 8)
        for index in 0..<12 {
            let values = PackedSample.Values.floats(Array(x[index * 256..<(index + 1) * 256]))
            let label = PackedSample.Label.class(Int32(y[index]))
            // Number 10 comes after number 9, not after number 1.
            #expect(try classes.sample(at: index) == PackedSample(values: values, label: label))
            #expect(try groups.sample(at: index) == PackedSample(values: values, label: label))
            #expect(try plain.sample(at: index) == PackedSample(values: values, label: .none))
            let vector = Array(d[index * 5..<(index + 1) * 5])
            #expect(try vectors.sample(at: index) == PackedSample(values: values, label: .vector(vector)))
        }
    }

    @Test func whatDoesNotGoTogether() throws {
        let (features, labels) = (folder("f/imagenet256_features"), folder("f/imagenet256_labels"))
        func refusal(sample: Int? = nil) throws -> (kind: DatasetTrouble?, file: String, message: String) {
            try dataFailure {
                let source = try FeatureFolderSource(path: features, labels: labels)
                if let sample { _ = try source.sample(at: sample) }
            }
        }
        try AtomicFile.rename(from: "\(labels)/7.npy", to: folder("7.npy"))
        #expect(try refusal().file == "\(labels)/7.npy" && refusal().kind == .missing)
        try AtomicFile.rename(from: folder("7.npy"), to: "\(labels)/7.npy")
        try AtomicFile.rename(from: "\(features)/3.npy", to: folder("3.npy"))
        #expect(try refusal().file == "\(features)/3.npy" && refusal().kind == .missing)
        _ = try Peer.python(
            """
            import numpy as np
            np.save('f/imagenet256_features/3.npy', np.zeros((1, 4, 8, 9), np.float32))
            np.save('f/imagenet256_labels/4.npy', np.array([0.5]))
            np.save('f/imagenet256_labels/5.npy', np.array([1, 2]))
            """, needs: "numpy", in: folder.path)
        #expect(try refusal(sample: 3).message.contains("all must be alike"))
        #expect(try refusal(sample: 4).message.contains("0.5, which is no class"))
        #expect(try refusal(sample: 5).file == "\(labels)/5.npy")
        try damage("\(features)/6.npy") { $0.removeLast() }
        #expect(try refusal(sample: 6).message.contains("truncated"))
        try AtomicFile.write("", to: "\(features)/list.txt")
        #expect(try refusal().file == "\(features)/list.txt")
    }
}
