import Units

/// What the routing asked of the devices in one layer, over all measured iterations.
public struct LayerLoad: Hashable, Sendable {
  public var layer: Int
  /// Token copies that each device's experts served: a token counts once for each expert.
  public var tokens: [Int]
  /// Bytes that each device sent to others.
  public var bytesSent: [Int]
  /// The most loaded device's tokens over the mean device's, as the mean over iterations; 1 is even.
  public var meanImbalance: Double
  public var worstImbalance: Double
  /// The first iteration that was that uneven.
  public var worstIteration: Int
}
