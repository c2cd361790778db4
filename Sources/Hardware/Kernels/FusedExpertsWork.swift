/// A layer of gated experts as one call: rows are sorted by expert, multiplied up, gated, multiplied
/// down, and added up for each token.
public struct FusedExpertsWork: Hashable, Sendable {
  public var tokens: Int
  /// Experts that each token chose, wherever they are.
  public var chosen: Int
  public var hidden: Int
  /// Of one expert, as far as it is here.
  public var intermediate: Int
  /// Token rows of the experts that are here.
  public var load: GroupedLoad
  /// Token rows of the experts that are elsewhere, which the call passes over.
  public var foreign: GroupedLoad
  /// Bytes of one weight in memory, scales included.
  public var weightBytes: Double
  /// Bytes of one activation as it is multiplied; below two, kernels before each multiplication
  /// convert them.
  public var activationBytes: Double
  public var tiling: GroupedTiling
  /// Whether calls repeat on the same buffers, so that small experts stay in the cache.
  public var isRepeated: Bool

  public init(
    tokens: Int, chosen: Int, hidden: Int, intermediate: Int, load: GroupedLoad,
    foreign: GroupedLoad = GroupedLoad(), weightBytes: Double = 2, activationBytes: Double = 2,
    tiling: GroupedTiling = .best, isRepeated: Bool = false
  ) {
    self.tokens = tokens
    self.chosen = chosen
    self.hidden = hidden
    self.intermediate = intermediate
    self.load = load
    self.foreign = foreign
    self.weightBytes = weightBytes
    self.activationBytes = activationBytes
    self.tiling = tiling
    self.isRepeated = isRepeated
  }

  public var flops: Double { 6 * load.rows * Double(hidden) * Double(intermediate) }
}
