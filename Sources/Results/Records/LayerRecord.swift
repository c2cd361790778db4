import Units

/// What one stage took in one layer over all measured iterations.
public struct LayerRecord: Hashable, Sendable {
  /// The model layer, or -1 for work that belongs to none.
  public var layer: Int
  public var stage: Int
  public var meanDeviceTime: Seconds
  public var maxDeviceTime: Seconds
  /// The time that devices waited for this stage of this layer to begin.
  public var meanWaitBefore: Seconds
  public var maxWaitBefore: Seconds
}
