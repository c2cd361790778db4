import Fabric
import Hardware
import Traces
import Units

/// How many copies of tokens cross which ports of which device in each layer's dispatch.
///
/// Whole numbers, `[layer][device]`, layers being positions among those with experts. An expert that
/// is sliced over several devices needs each token on all of them.
struct LayerTraffic {
  private let deployment: Deployment
  private let devices: Int
  private(set) var innerOut: [Int]
  private(set) var innerIn: [Int]
  private(set) var outerOut: [Int]
  private(set) var outerIn: [Int]

  init(_ deployment: Deployment) {
    self.deployment = deployment
    devices = deployment.cluster.deviceCount
    innerOut = [Int](repeating: 0, count: deployment.placement.layers * devices)
    innerIn = innerOut
    outerOut = innerOut
    outerIn = innerOut
  }

  /// Adds up the ports from a replay that keeps its matrix. O(devices x layers x expert groups x
  /// slices).
  ///
  /// - Throws: Where copies sent and received differ: a defect.
  mutating func count(_ counts: RoutingCounts) throws(ServingError) {
    for index in innerOut.indices {
      innerOut[index] = 0
      innerIn[index] = 0
      outerOut[index] = 0
      outerIn[index] = 0
    }
    let groups = deployment.placement.groups
    let layers = deployment.placement.layers
    counts.copies.withUnsafeBufferPointer { copies in
      for source in 0..<devices {
        for layer in 0..<layers {
          let start = (source * layers + layer) * groups
          add(UnsafeBufferPointer(rebasing: copies[start..<start + groups]), source, layer)
        }
      }
    }
    for layer in 0..<layers {
      let range = layer * devices..<(layer + 1) * devices
      let sent = range.reduce(0) { $0 + innerOut[$1] + outerOut[$1] }
      let received = range.reduce(0) { $0 + innerIn[$1] + outerIn[$1] }
      guard sent == received else {
        throw .lawBroken("layer \(layer) sends \(sent) copies and receives \(received)")
      }
    }
  }

  /// Adds one source's copies for each expert group in one layer.
  private mutating func add(_ row: UnsafeBufferPointer<UInt32>, _ source: Int, _ layer: Int) {
    let cluster = deployment.cluster
    let slices = deployment.parallelism.experts.tensor
    let node = cluster.devices(ofNode: cluster.node(of: source))
    let base = layer * devices
    var inner = 0
    var all = 0
    // Every device first as if it were in another node; then the few of this node are moved over.
    outerIn.withUnsafeMutableBufferPointer { outerIn in
      if slices == 1 {
        for target in 0..<row.count {
          let copies = Int(row[target])
          outerIn[base + target] += copies
          all += copies
        }
      } else {
        for target in 0..<devices {
          let copies = Int(row[target / slices])
          outerIn[base + target] += copies
          all += copies
        }
      }
    }
    for target in node {
      let copies = Int(row[target / slices])
      outerIn[base + target] -= copies
      all -= copies
      guard target != source else { continue }
      innerIn[base + target] += copies
      inner += copies
    }
    innerOut[base + source] = inner
    outerOut[base + source] = all
  }

  /// Bytes that a device puts on its ports in a layer's dispatch and combine together.
  func bytesSent(layer: Int, device: Int, dispatch: Bytes, combine: Bytes) -> Int {
    let index = layer * devices + device
    let out = Double(innerOut[index] + outerOut[index]) * dispatch.value
    let back = Double(innerIn[index] + outerIn[index]) * combine.value
    return Int((out + back).rounded())
  }

  /// Fills `traffic` with a layer's dispatch, or with its way back.
  func fill(
    _ traffic: inout ExchangeTraffic, layer: Int, perCopy: Bytes, isReturn: Bool,
    _ counts: RoutingCounts
  ) {
    guard !traffic.needsPairs else {
      fillPairs(&traffic, layer: layer, perCopy: perCopy, isReturn: isReturn, counts)
      return
    }
    for device in 0..<devices {
      let index = layer * devices + device
      func bytes(_ copies: [Int]) -> Bytes { perCopy * Double(copies[index]) }
      traffic.setPorts(
        of: device, innerOut: bytes(isReturn ? innerIn : innerOut),
        innerIn: bytes(isReturn ? innerOut : innerIn),
        outerOut: bytes(isReturn ? outerIn : outerOut),
        outerIn: bytes(isReturn ? outerOut : outerIn))
    }
  }

  private func fillPairs(
    _ traffic: inout ExchangeTraffic, layer: Int, perCopy: Bytes, isReturn: Bool,
    _ counts: RoutingCounts
  ) {
    traffic.removeAll()
    let groups = deployment.placement.groups
    for source in 0..<devices {
      for target in 0..<devices {
        let group = deployment.expertGroup(of: target)
        let copies = counts.copies[
          (source * deployment.placement.layers + layer) * groups + group]
        let bytes = perCopy * Double(copies)
        traffic.add(bytes, from: isReturn ? target : source, to: isReturn ? source : target)
      }
    }
  }
}
