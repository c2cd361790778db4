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

  /// Whether the sums that a replay keeps for each rank and device do not say it all: sliced experts
  /// need their copies on several devices, and not every network is only its ports.
  var needsMatrix: Bool {
    !deployment.portsSuffice
  }

  /// Adds up the ports from a replay. O(devices x layers), and with a matrix O(devices x layers x
  /// devices).
  ///
  /// - Throws: Where copies sent and received differ: a defect.
  mutating func count(_ counts: RoutingCounts) throws(ServingError) {
    if needsMatrix { countMatrix(counts) } else { countSums(counts) }
    for layer in 0..<deployment.placement.layers {
      let range = layer * devices..<(layer + 1) * devices
      let sent = range.reduce(0) { $0 + innerOut[$1] + outerOut[$1] }
      let received = range.reduce(0) { $0 + innerIn[$1] + outerIn[$1] }
      guard sent == received else {
        throw .lawBroken("layer \(layer) sends \(sent) copies and receives \(received)")
      }
    }
  }

  private mutating func countSums(_ counts: RoutingCounts) {
    let layers = deployment.placement.layers
    for layer in 0..<layers {
      for device in 0..<devices {
        let here = layer * devices + device
        let rank = device * layers + layer
        innerOut[here] = Int(counts.sentWithinNode[rank])
        outerOut[here] = Int(counts.sent[rank]) - innerOut[here]
        innerIn[here] = Int(counts.receivedWithinNode[here])
        outerIn[here] = Int(counts.received[here]) - innerIn[here]
      }
    }
  }

  private mutating func countMatrix(_ counts: RoutingCounts) {
    for index in innerIn.indices {
      innerIn[index] = 0
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
  }

  /// Adds one source's copies for each expert group in one layer.
  private mutating func add(_ row: UnsafeBufferPointer<UInt32>, _ source: Int, _ layer: Int) {
    let node = deployment.cluster.devices(ofNode: deployment.cluster.node(of: source))
    let slices = deployment.parallelism.experts.tensor
    let base = layer * devices
    /// - Returns: The copies that the targets get in all.
    func add(to targets: Range<Int>, of received: inout [Int]) -> Int {
      received.withUnsafeMutableBufferPointer { received in
        var sum = 0
        // No sum can be too large: a batch has fewer than 2^32 copies.
        if slices == 1 {
          for target in targets {
            received[base &+ target] &+= Int(row[target])
            sum &+= Int(row[target])
          }
        } else {
          for target in targets {
            received[base &+ target] &+= Int(row[target / slices])
            sum &+= Int(row[target / slices])
          }
        }
        return sum
      }
    }
    let own = Int(row[source / slices])
    innerOut[base + source] = add(to: node, of: &innerIn) - own
    innerIn[base + source] -= own
    outerOut[base + source] =
      add(to: 0..<node.lowerBound, of: &outerIn)
      + add(to: node.upperBound..<devices, of: &outerIn)
  }

  /// Bytes that a device puts on its ports in a layer's dispatch and combine together.
  func bytesSent(layer: Int, device: Int, dispatch: Bytes, combine: Bytes) -> Int {
    let index = layer * devices + device
    let out = Double(innerOut[index] + outerOut[index]) * dispatch.value
    let back = Double(innerIn[index] + outerIn[index]) * combine.value
    return Int((out + back).rounded())
  }

  /// Fills `traffic` with a layer's dispatch, or with its way back, port by port.
  func fill(
    _ traffic: inout ExchangeTraffic, layer: Int, perCopy: Bytes, isReturn: Bool,
    _ counts: RoutingCounts
  ) {
    traffic.removeAll()
    for device in 0..<devices {
      let index = layer * devices + device
      func bytes(_ copies: [Int]) -> Bytes { perCopy * Double(copies[index]) }
      traffic.addPorts(
        of: device, innerOut: bytes(isReturn ? innerIn : innerOut),
        innerIn: bytes(isReturn ? innerOut : innerIn),
        outerOut: bytes(isReturn ? outerIn : outerOut),
        outerIn: bytes(isReturn ? outerOut : outerIn))
    }
  }

  /// A layer's dispatch, pair by pair.
  ///
  /// - Parameter nodeCounts: Of the same batch with nodes in place of devices, where what goes to a
  ///   node once must be known.
  func matrix(
    layer: Int, perCopy: Bytes, _ counts: RoutingCounts, nodeCounts: RoutingCounts?
  ) -> TrafficMatrix {
    let layers = deployment.placement.layers
    let groups = deployment.placement.groups
    var bytes = [Double](repeating: 0, count: devices * devices)
    for source in 0..<devices {
      for target in 0..<devices {
        let group = deployment.expertGroup(of: target)
        let copies = counts.copies[(source * layers + layer) * groups + group]
        bytes[source * devices + target] = perCopy.value * Double(copies)
      }
    }
    let toNode = nodeCounts.map { counts in
      let nodes = deployment.cluster.nodeCount
      return (0..<devices).flatMap { source in
        (0..<nodes).map { node in
          perCopy.value * Double(counts.copies[(source * layers + layer) * nodes + node])
        }
      }
    }
    return TrafficMatrix(ranks: devices, bytes: bytes, toNode: toNode)
  }
}
