/// One multiplication for each expert of a group, in one launch: its token rows by its weights
/// [k, n].
public struct GroupedGEMMWork: Hashable, Sendable {
  /// The rows of the experts that are here.
  public var load: GroupedLoad
  /// The rows of experts that are elsewhere, where a kernel passes over them as well; none where it
  /// only gets its own.
  public var foreign: GroupedLoad
  /// Output features of an expert.
  public var n: Int
  /// Input features of an expert.
  public var k: Int
  /// Bytes of one weight in memory, scales included.
  public var weightBytes: Double
  /// Bytes of one activation as it is multiplied.
  public var activationBytes: Double
  /// Bytes of one output.
  public var outputBytes: Double
  public var tiling: GroupedTiling
  /// Bytes that pass between two uses of these weights; infinite where every launch reads memory.
  public var weightReuse: Double

  public init(
    load: GroupedLoad, foreign: GroupedLoad = GroupedLoad(), n: Int, k: Int,
    weightBytes: Double = 2, activationBytes: Double = 2, outputBytes: Double = 2,
    tiling: GroupedTiling = .best, weightReuse: Double = .infinity
  ) {
    self.load = load
    self.foreign = foreign
    self.n = n
    self.k = k
    self.weightBytes = weightBytes
    self.activationBytes = activationBytes
    self.outputBytes = outputBytes
    self.tiling = tiling
    self.weightReuse = weightReuse
  }

  public var flops: Double { 2 * load.rows * Double(n) * Double(k) }
}

/// Which tiles a grouped kernel takes.
public enum GroupedTiling: String, CaseIterable, Hashable, Sendable {
  /// The fastest of 16 to 128 rows and 64 or 128 columns: tuned kernels.
  case best
  /// 16 x 32: what vLLM took by default in 2025 for no more tokens than experts
  /// (vllm/model_executor/layers/fused_moe/fused_moe.py).
  case narrow
  /// 64 x 64: the same, for more tokens.
  case square
  /// Weights of four bits that are widened on the way in: up to 64 rows.
  case widened
  /// The same without matrix units, for few rows (vLLM: up to six for each expert).
  case vector
}
