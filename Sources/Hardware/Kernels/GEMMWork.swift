/// A dense multiplication: activations [m, k] by weights [k, n].
public struct GEMMWork: Hashable, Sendable {
  /// Rows of activations: tokens.
  public var m: Int
  /// Output features.
  public var n: Int
  /// Input features.
  public var k: Int
  /// Bytes of one weight in memory, scales included.
  public var weightBytes: Double
  /// Bytes of one activation as it is multiplied.
  public var activationBytes: Double
  /// Bytes of one output.
  public var outputBytes: Double
  public var tiling: GEMMTiling
  /// Whether activations come with two bytes each and a kernel before converts them.
  public var quantises: Bool
  /// Bytes that pass between two uses of these weights. What is far below the last-level cache finds
  /// them there, as benchmarks that repeat a kernel do; infinite where every launch reads memory.
  public var weightReuse: Double

  public init(
    m: Int, n: Int, k: Int, weightBytes: Double = 2, activationBytes: Double = 2,
    outputBytes: Double = 2, tiling: GEMMTiling = .best, quantises: Bool = false,
    weightReuse: Double = .infinity
  ) {
    self.m = m
    self.n = n
    self.k = k
    self.weightBytes = weightBytes
    self.activationBytes = activationBytes
    self.outputBytes = outputBytes
    self.tiling = tiling
    self.quantises = quantises
    self.weightReuse = weightReuse
  }

  /// Bytes of the weights, of the activations and of the outputs.
  var weights: Double { Double(n) * Double(k) * weightBytes }
  var activations: Double { Double(m) * Double(k) * activationBytes }
  var outputs: Double { Double(m) * Double(n) * outputBytes }
  public var flops: Double { 2 * Double(m) * Double(n) * Double(k) }
}

/// How a kernel library cuts an output into tiles.
public enum GEMMTiling: String, CaseIterable, Hashable, Sendable {
  /// A library that chooses well among many: the fastest of nine tiles between 64 x 32 and
  /// 256 x 128, k whole or split so that the tiles fill the units once or twice.
  case best
  /// One tile for each range of m: the table by which vLLM's fp8 kernels for Hopper dispatch
  /// (csrc/quantization/w8a8/cutlass/c3x/scaled_mm_sm90_fp8_dispatch.cuh). Above 64 rows two
  /// consumers alternate and hide a tile's beginning and end, and tiles come in pairs.
  case byRows = "by-rows"
  /// Tiles of 64 or 128 rows and up to 160 columns, the fastest of them, k never split: kernels that
  /// are compiled for a shape.
  case compiled
}
