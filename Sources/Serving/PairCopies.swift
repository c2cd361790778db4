import Hardware
import Models
import Traces
import Units

/// How many copies of tokens every device sent every other in dispatch and combine, added up over layers
/// and iterations.
struct PairCopies {
  private let deployment: Deployment
  private let devices: Int
  /// `[source][target]` of dispatch; what stays on a device is 0.
  private(set) var copies: [Int]
  /// The same of combine.
  private var returned: [Int]

  /// The layers with experts that are counted, by their places among them.
  private let positions: Range<Int>

  init(_ deployment: Deployment, positions: Range<Int>) {
    self.positions = positions
    self.deployment = deployment
    devices = deployment.cluster.deviceCount
    copies = [Int](repeating: 0, count: devices * devices)
    returned = copies
  }

  /// Adds one iteration. O(devices x layers x devices).
  ///
  /// - Parameters:
  ///   - counts: With their matrix.
  ///   - traffic: Of the same counts.
  /// - Throws: Where a device's copies to others are not those that cross its ports: a defect.
  mutating func add(_ counts: RoutingCounts, _ traffic: LayerTraffic) throws(ServingError) {
    let layers = deployment.placement.layers
    let groups = deployment.placement.groups
    let slices = deployment.parallelism.experts.tensor
    for source in 0..<devices {
      var sent = 0
      var crossed = 0
      for layer in positions {
        let row = (source * layers + layer) * groups
        for target in 0..<devices where target != source {
          let number = Int(counts.copies[row + target / slices])
          copies[source * devices + target] += number
          returned[target * devices + source] += number
          sent += number
        }
        let port = layer * devices + source
        crossed += traffic.innerOut[port] + traffic.outerOut[port]
      }
      guard sent == crossed else {
        throw .lawBroken("device \(source) sends \(sent) copies, of which \(crossed) leave it")
      }
    }
  }

  /// Adds one iteration of tokens that do not return home. O(layers x devices^2).
  mutating func add(_ moves: TokenMoves) {
    for layer in positions {
      for source in 0..<devices {
        for target in 0..<devices {
          let pair = source * devices + target
          copies[pair] += moves.dispatched(layer: layer, from: source, to: target)
          returned[pair] += moves.combined(layer: layer, from: source, to: target)
        }
      }
    }
  }

  /// Bytes from each device to each other, `[source][target]`: copies on their way out in dispatch,
  /// and those that come back in combine.
  var bytes: [Int] {
    let dispatch = deployment.dispatchedCopy.value
    let combine = deployment.combinedCopy.value
    return copies.indices.map {
      Int((Double(copies[$0]) * dispatch + Double(returned[$0]) * combine).rounded())
    }
  }
}
