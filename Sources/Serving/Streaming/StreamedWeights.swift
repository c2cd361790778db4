import Units

/// Weights that live in host memory and go to the device layer by layer, through two buffers there.
public struct StreamedWeights: Hashable, Sendable {
  /// Of the companion's memory, for keys and values; all that weights leave of it where nil.
  public var cache: Bytes?

  public init(cache: Bytes? = nil) { self.cache = cache }
}
