extension RoutingTrace {
  /// The same recording with some of its sequences only, over the same bytes.
  ///
  /// - Parameter indices: Of ``sequences``, ascending.
  public func keeping(sequences indices: [Int]) -> RoutingTrace {
    var part = self
    part.sequences = indices.map { sequences[$0] }
    return part
  }
}
