import Roofline
import Units

/// What something asks for, by who does it: devices, their companions, or either of them.
struct PredictAmounts: Encodable {
  /// Wherever they are done.
  var flops: Double
  var deviceFlops: Double
  var companionFlops: Double
  /// Of the memory of devices, of their companions', and of whoever's does what either may do. What is
  /// moved from one to the other is in both.
  var memoryBytes: Double
  var companionMemoryBytes: Double
  var sharedMemoryBytes: Double
  var linkBytes: Double
  /// A processor's own FLOPs over its own memory's bytes; absent where it does nothing, or moves nothing. A
  /// device's is that of what either may do, where it has nothing else.
  var deviceFlopsPerByte: Double?
  var companionFlopsPerByte: Double?

  init(_ work: Work) {
    flops = work.flops.value
    deviceFlops = work.flops(on: .device).value
    companionFlops = work.flops(on: .companion).value
    memoryBytes = work.bytes(of: .memory).value
    companionMemoryBytes = work.bytes(of: .companionMemory).value
    sharedMemoryBytes = work.bytes(of: .sharedMemory).value
    linkBytes = work.linkBytes.value
    deviceFlopsPerByte = work.intensity(on: .device) ?? work.intensity(on: .shared)
    companionFlopsPerByte = work.intensity(on: .companion)
  }

  static let csvColumns =
    "flop,device_flop,companion_flop,memory_bytes,companion_memory_bytes,shared_memory_bytes,"
    + "link_bytes"

  var csv: String {
    [
      flops, deviceFlops, companionFlops, memoryBytes, companionMemoryBytes, sharedMemoryBytes,
      linkBytes,
    ].map { "\($0)" }.joined(separator: ",")
  }
}

/// As columns of a table.
extension PredictAmounts {
  struct Column {
    var title: String
    /// Of FLOPs to bytes, which rows that stand for several things have none of.
    var isRatio = false
    var words: (PredictAmounts) -> String
  }

  /// Those of companions, and of what either may do, only where there is something in them.
  static func columns(of all: [PredictAmounts]) -> [Column] {
    func bytes(_ title: String, _ amount: @escaping (PredictAmounts) -> Double) -> Column {
      Column(title: title) { amount($0) > 0 ? "\(Bytes(amount($0)))" : "" }
    }
    func ratio(_ title: String, _ amount: @escaping (PredictAmounts) -> Double?) -> Column {
      Column(title: title, isRatio: true) { amount($0).map { fourDigits($0) } ?? "" }
    }
    var columns = [
      Column(title: "FLOPs") { $0.flops > 0 ? "\(FLOPs($0.flops))" : "" },
      bytes("memory") { $0.memoryBytes },
    ]
    if all.contains(where: { $0.companionMemoryBytes > 0 }) {
      columns.append(bytes("companion's") { $0.companionMemoryBytes })
    }
    if all.contains(where: { $0.sharedMemoryBytes > 0 }) {
      columns.append(bytes("either's") { $0.sharedMemoryBytes })
    }
    columns += [bytes("links") { $0.linkBytes }, ratio("FLOP/B") { $0.deviceFlopsPerByte }]
    if all.contains(where: { $0.companionFlopsPerByte != nil }) {
      columns.append(ratio("companion's FLOP/B") { $0.companionFlopsPerByte })
    }
    return columns
  }
}
