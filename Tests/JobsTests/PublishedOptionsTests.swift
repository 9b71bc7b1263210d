import Foundation
import Jobs
import TestSupport
import Testing

/// docs/from-published.md against the table of fields, and against the published programs' options.
@Suite struct PublishedOptionsTests {
    private let page = (try? String(contentsOfFile: "\(repository)/docs/from-published.md", encoding: .utf8)) ?? ""

    /// Of the published train.py and sample.py.
    private static let options = """
        feature_path dataset_name name output_dir output_subdir model num_classes image_size predict_v \
        use_zero_terminal_snr unsupervised dino_supervised dino_supervised_dim flow fixed_point \
        fixed_point_no_grad_min_iters fixed_point_no_grad_max_iters fixed_point_with_grad_min_iters \
        fixed_point_with_grad_max_iters fixed_point_pre_post_timestep_conditioning fixed_point_pre_depth \
        fixed_point_post_depth deq_pre_depth deq_post_depth epochs global_batch_size global_seed num_workers log_every \
        ckpt_every lr log_with resume compile debug vae fixed_point_iters fixed_point_reuse_solution ddim cfg_scale \
        num_sampling_steps batch_size ckpt sample_index_start sample_index_end adaptive adaptive_type
        """.split(separator: " ")

    @Test func everyPublishedOptionIsMapped() {
        for option in Self.options { #expect(page.contains("`--\(option)`"), "--\(option)") }
    }

    @Test func everyKeyNamedThereExists() {
        let sections = Set(JobConfiguration.sections.map(\.key))
        let words = page.split(separator: "`", omittingEmptySubsequences: false).enumerated()
            .filter { !$0.offset.isMultiple(of: 2) }.map { String($0.element) }
        let keys = words.filter { word in
            let parts = word.split(separator: ".")
            return parts.count == 2 && sections.contains(String(parts[0]))
        }
        #expect(keys.count > 30)
        for key in keys { #expect(JobConfiguration.fields.contains { $0.name == key }, "\(key)") }
        // And the other way about: a job file that the page names is there.
        for part in page.components(separatedBy: "](../").dropFirst() {
            let path = String(part.prefix { $0 != ")" })
            #expect(FileManager.default.fileExists(atPath: "\(repository)/\(path)"), "\(path)")
        }
    }
}
