import Foundation
import Hardware

/// The measured tables that lie beside the repository and are not part of it: in `SWITCHYARD_DATA`,
/// else in `../shared/data`. Tests that need them are skipped where they are absent, with
/// ``SharedMeasurements/absence`` as the remark.
enum SharedMeasurements {
  static let folder: String = {
    let data =
      ProcessInfo.processInfo.environment["SWITCHYARD_DATA"]
      ?? URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent(
        "../../../shared/data"
      ).standardizedFileURL.path
    return data + "/measured/aiconfigurator-tables"
  }()

  static let isPresent = FileManager.default.fileExists(atPath: folder)
  static let absence = "skipped: no measured tables in \(folder) (set SWITCHYARD_DATA)"

  static let ncclA100 = ["\(folder)/a100_sxm/nccl.csv.xz"]
  static let ncclH100 = ["\(folder)/h100_sxm/nccl.csv.xz"]
  static let lowLatency = ["1node", "1_to_8_nodes"].map {
    "\(folder)/h100_sxm/deepep_low_latency_\($0).csv.xz"
  }
  static let normal = ["1node", "1_to_8_nodes"].map {
    "\(folder)/h100_sxm/deepep_normal_\($0).csv.xz"
  }
}
