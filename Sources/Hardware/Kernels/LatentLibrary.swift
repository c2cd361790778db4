/// Which library computes multi-head latent attention, as far as its way of cutting the work goes:
/// facts of its code, not fitted numbers.
public enum LatentLibrary: String, CaseIterable, Hashable, Sendable {
  /// FlashAttention-3 with the latent vector as key and value.
  case flashAttention = "flash-attention-mla"
  /// FlashMLA of DeepSeek.
  case flashMLA = "flash-mla"
  /// vLLM's Triton kernels.
  case triton = "triton-mla"

  /// Queries (heads x tokens) of one tile, padded.
  var rows: Double { self == .triton ? 16 : 64 }

  /// Keys that a tile takes at a time.
  var block: Double { self == .triton ? 32 : 64 }

  /// Whether contexts are split evenly over the units; else always into ``mostSplits`` parts.
  var fillsUnits: Bool { self != .triton }

  var mostSplits: Double { self == .triton ? 4 : 32 }

  /// Prompts of no more tokens than this are computed on the latent vectors, as if they decoded.
  public var mostAbsorbedTokens: Int {
    switch self {
    case .flashAttention: 512
    case .flashMLA: 128
    case .triton: 1
    }
  }

  // Powers of two, so that multiplying by their reciprocals is exact: a division costs five times
  // as much.
  var perRows: Double { self == .triton ? 1.0 / 16 : 1.0 / 64 }
  var perBlock: Double { self == .triton ? 1.0 / 32 : 1.0 / 64 }
  var perMostSplits: Double { self == .triton ? 1.0 / 4 : 1.0 / 32 }

  /// Rows of a tile of an expanded prompt, and tiles that a unit works at together.
  var promptRows: Double { self == .triton ? 64 : 128 }
}

/// The widths of latent attention, in elements.
///
/// DeepSeek-AI, "DeepSeek-V2: a strong, economical, and efficient mixture-of-experts language
/// model", 2024, section 2.1.
public struct LatentShape: Hashable, Sendable {
  /// The compressed keys and values of a token.
  public var latent: Int
  /// The part of a key that carries the position, one for all heads.
  public var rope: Int
  /// The rest of a head's key.
  public var key: Int
  /// A head's value.
  public var value: Int

  @inlinable
  public init(latent: Int, rope: Int, key: Int, value: Int) {
    self.latent = latent
    self.rope = rope
    self.key = key
    self.value = value
  }

  /// Of DeepSeek's second and third generations.
  public static let deepSeek = LatentShape(latent: 512, rope: 64, key: 128, value: 128)
}
