import Foundation

@testable import Traces

/// The recorded traces that lie beside the repository and are not part of it: in `SWITCHYARD_DATA`,
/// else in `../shared/data`. Tests that need them are skipped where they are absent, with
/// ``SharedData/absence`` as the remark.
enum SharedData {
  static let folder: String = {
    if let named = ProcessInfo.processInfo.environment["SWITCHYARD_DATA"] { return named }
    return URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent(
      "../../../shared/data"
    ).standardizedFileURL.path
  }()

  static let isPresent = FileManager.default.fileExists(atPath: folder + "/routing")
  static let absence = "skipped: no recorded traces in \(folder) (set SWITCHYARD_DATA)"

  static let deepSeek =
    "\(folder)/routing/deepseek-v2-lite-moe-beyond/deepseek_v2_lite_puffin_prefill.experts.bin.xz"
  static let gptOSS = "\(folder)/routing/gpt-oss-20b/gpt_oss_20b_decode_mmlu.experts.bin.xz"
  static let mixtral = "\(folder)/routing/mixtral-8x7b-mtbench/mixtral_8x7b_mtbench.experts.bin.xz"
  static let olmoe = "\(folder)/routing/olmoe-mmlu-router-logits/olmoe_mmlu5_prefill.experts.bin"

  static let deepSeekSample =
    "\(folder)/routing/deepseek-v2-lite-moe-beyond/raw_sample_10files.tar.xz"
  static let gptOSSSample = "\(folder)/routing/gpt-oss-20b/raw_sample_4files.tar.xz"
  static let mixtralSample = "\(folder)/routing/mixtral-8x7b-mtbench/raw_sample_6files.tar.xz"
}

/// Imports a file into a temporary folder and opens the result.
func imported(
  _ input: String, as format: ImportFormat? = nil, options: ImportOptions = ImportOptions()
) throws -> RoutingTrace {
  try withTemporaryFolder { folder in
    try importTrace(from: input, format: format, to: folder + "/out.routing", options: options)
    return try RoutingTrace(opening: folder + "/out.routing")
  }
}
