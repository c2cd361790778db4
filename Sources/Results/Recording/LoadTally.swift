/// Adds up what the routing asked of the devices, layer by layer.
struct LoadTally {
  private let layerCount: Int
  private let deviceCount: Int
  private var tokens: [Int]
  private var bytesSent: [Int]
  /// Of each layer, over the iterations that routed tokens in it.
  private var iterations: [Int]
  private var imbalanceSum: [Double]
  private var worst: [(imbalance: Double, iteration: Int)]

  init(layerCount: Int, deviceCount: Int) {
    self.layerCount = layerCount
    self.deviceCount = deviceCount
    tokens = [Int](repeating: 0, count: layerCount * deviceCount)
    bytesSent = tokens
    iterations = [Int](repeating: 0, count: layerCount)
    imbalanceSum = [Double](repeating: 0, count: layerCount)
    worst = [(imbalance: Double, iteration: Int)](repeating: (0, 0), count: layerCount)
  }

  /// Adds one iteration's loads, both `[layer][device]`. O(layers x devices).
  mutating func add(tokens load: [Int], bytesSent sent: [Int], iteration: Int) {
    for layer in 0..<layerCount {
      var sum = 0
      var most = 0
      for cell in layer * deviceCount..<(layer + 1) * deviceCount {
        tokens[cell] += load[cell]
        bytesSent[cell] += sent[cell]
        sum += load[cell]
        most = max(most, load[cell])
      }
      guard sum > 0 else { continue }
      let imbalance = Double(most) * Double(deviceCount) / Double(sum)
      iterations[layer] += 1
      imbalanceSum[layer] += imbalance
      if imbalance > worst[layer].imbalance { worst[layer] = (imbalance, iteration) }
    }
  }

  func result() -> [LayerLoad] {
    (0..<layerCount).filter { iterations[$0] > 0 }.map { layer in
      let cells = layer * deviceCount..<(layer + 1) * deviceCount
      return LayerLoad(
        layer: layer, tokens: Array(tokens[cells]), bytesSent: Array(bytesSent[cells]),
        meanImbalance: imbalanceSum[layer] / Double(iterations[layer]),
        worstImbalance: worst[layer].imbalance, worstIteration: worst[layer].iteration)
    }
  }
}
