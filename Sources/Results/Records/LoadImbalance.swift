/// How unevenly the routing loads the devices: the most loaded device's tokens over the mean's.
public struct LoadImbalance: Hashable, Sendable {
  /// Over layers, of each layer's mean over iterations.
  public var mean: Double
  /// The layer whose mean over iterations is the largest.
  public var worstLayer: LayerLoad
  /// The layer that had the worst single iteration.
  public var worstMoment: LayerLoad
}

extension RunResult {
  /// Nil where no layer routes tokens.
  public var loadImbalance: LoadImbalance? {
    guard let first = loads.first else { return nil }
    var imbalance = LoadImbalance(mean: 0, worstLayer: first, worstMoment: first)
    for load in loads {
      imbalance.mean += load.meanImbalance / Double(loads.count)
      if load.meanImbalance > imbalance.worstLayer.meanImbalance { imbalance.worstLayer = load }
      if load.worstImbalance > imbalance.worstMoment.worstImbalance {
        imbalance.worstMoment = load
      }
    }
    return imbalance
  }
}
