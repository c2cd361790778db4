import Fabric
import Hardware
import Units

/// Exchanges of a run whose busiest device sent more or less than what their library's cost was fitted to.
struct ExchangesOutsideMeasured {
  private var sizes: [Size] = []

  private struct Size {
    let stage: Stage
    /// Of the cost.
    let name: String
    let measured: ClosedRange<Bytes>
    var least: Bytes
    var most: Bytes
  }

  /// Notes an exchange, if its bytes were not measured. O(stages).
  mutating func add(_ load: CollectiveLoad, of stage: Stage, by collective: CollectiveProtocol) {
    guard case .fitted(let cost) = collective.startUp, !cost.range.bytes.contains(load.bytesSent)
    else { return }
    let bytes = load.bytesSent
    if let known = sizes.firstIndex(where: { $0.stage == stage && $0.name == cost.name }) {
      sizes[known].least = min(sizes[known].least, bytes)
      sizes[known].most = max(sizes[known].most, bytes)
    } else {
      sizes.append(
        Size(
          stage: stage, name: cost.name, measured: cost.range.bytes, least: bytes, most: bytes))
    }
  }

  /// One sentence for each stage.
  var remarks: [String] {
    sizes.map { size in
      let sent = size.least == size.most ? "\(size.least)" : "\(size.least) to \(size.most)"
      let (least, most) = (size.measured.lowerBound, size.measured.upperBound)
      return "extrapolated: in \(size.stage.name) the busiest device sent \(sent) where "
        + "\(size.name) was measured with \(least == most ? "\(least)" : "\(least) to \(most)")"
    }
  }
}
