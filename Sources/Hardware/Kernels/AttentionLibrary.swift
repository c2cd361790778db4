/// Which library computes attention, as far as its way of cutting the work into tiles goes: facts
/// of its code, not fitted numbers.
///
/// T. Dao, "FlashAttention-2: faster attention with better parallelism and work partitioning", ICLR
/// 2024; J. Shah et al., "FlashAttention-3: fast and accurate attention with asynchrony and
/// low-precision", NeurIPS 2024. Splitting the keys of a sequence that decodes: T. Dao et al.,
/// "Flash-Decoding for long-context inference", 2023.
public enum AttentionLibrary: String, CaseIterable, Hashable, Sendable {
  /// On Ampere: small tiles, two of them on a compute unit, in the order of the grid. Contexts of
  /// single queries are split between units where several query heads share a key head; the
  /// queries are regrouped for it.
  case flashAttention2 = "flash-attention-2"
  /// On Hopper: persistent blocks, one on a compute unit, the longest tile first; the query heads
  /// that share a key head fill one tile.
  case flashAttention3 = "flash-attention-3"

  /// Its Hopper kernels for heads of more than 256 elements: as the third's, but contexts are always
  /// cut into the most parts, empty or not.
  case flashAttention4 = "flash-attention-4"
  /// FlashInfer's decoding (Ye et al., "FlashInfer: efficient and customizable attention engine for
  /// LLM inference serving", MLSys 2025) on Hopper: tiles as small as the query heads of a key head,
  /// multiplied by Ampere's instructions.
  case flashInfer = "flash-infer"

  /// Tiles that one compute unit works at together.
  @inline(__always) var residentTiles: Int {
    self == .flashAttention2 || self == .flashInfer ? 2 : 1
  }

  /// Of the places for tiles, the share that splitting tries to fill.
  var fill: Double {
    switch self {
    case .flashAttention2: 0.85
    case .flashAttention3, .flashAttention4: 1 / 1.1
    case .flashInfer: 1
    }
  }

  /// The most parts that a context is split into.
  @inline(__always) var mostSplits: Double {
    self == .flashAttention2 || self == .flashInfer ? 128 : 32
  }

  /// Exact, as that is a power of two.
  @inline(__always) var perMostSplits: Double {
    self == .flashAttention2 || self == .flashInfer ? 1.0 / 128 : 1.0 / 32
  }

  /// Whether every context is cut into ``mostSplits`` parts.
  var alwaysSplits: Bool { self == .flashAttention4 }

  /// With more sequences than this a launch is planned without splits.
  @inline(__always) var mostSequencesSplit: Int {
    self == .flashAttention2 || self == .flashInfer ? .max : 512
  }

  /// Whether contexts are split even where every query head has its own key head.
  var splitsSingleHeads: Bool { self != .flashAttention2 }

  /// Whether queries that share a key head are copied into their order, and their outputs back.
  var regroupsByCopy: Bool { self == .flashAttention2 }

  /// Whether the query heads of a key head may share a prompt's tiles, and few tiles be split.
  var packsPrompts: Bool { self != .flashAttention2 }

  /// Of the peak rate, what the instructions that it multiplies with can reach: 62.9 % by those of
  /// single warps on Hopper (Luo et al., "Benchmarking and dissecting the Nvidia Hopper GPU
  /// architecture via microbenchmarking", 2024).
  var peakShare: Double { self == .flashInfer ? 0.629 : 1 }

  /// Queries that a decoding tile is padded to.
  @inline(__always)
  func decodingRows(group: Double, width: Int) -> Double {
    if self == .flashInfer { return group <= 16 ? 16 : group <= 64 ? 64 : 128 }
    return width <= 128 && group <= 64 ? 64 : 128
  }

  /// Keys that a decoding tile takes at a time.
  @inline(__always)
  func decodingBlock(width: Int, elementBytes: Double) -> Double {
    if self == .flashAttention2 || self == .flashInfer { return 128 }
    if width <= 64 { return 160 }
    return width <= 128 || elementBytes < 2 ? 128 : 80
  }

  /// Queries of one tile of a prompt.
  func promptRows(width: Int) -> Double {
    if self == .flashAttention2 { return 64 }
    return width <= 64 ? 192 : 128
  }

  /// Keys that a prompt's tile takes at a time.
  func promptBlock(width: Int, elementBytes: Double) -> Double {
    if self == .flashAttention2 || width <= 128 || elementBytes < 2 { return 128 }
    return width <= 192 ? 96 : 80
  }
}

/// Numbers that several laws need.
enum TileMath {
  /// (a + b + sqrt((a - b)^2 + a b / 32)) / 2: the longer of two times that overlap. A hyperbola in
  /// the corner of the maximum; where the two are equal it adds 8.8 %.
  static func longer(_ a: Double, _ b: Double) -> Double {
    let difference = a - b
    return 0.5 * (a + b + (difference * difference + a * b * (1.0 / 32)).squareRoot())
  }

  /// (a + b + sqrt((a - b)^2 + a b / 8)) / 2: as ``longer(_:_:)`` where less overlaps; equal times add
  /// 17.7 %.
  static func smoothLonger(_ a: Double, _ b: Double) -> Double {
    let difference = a - b
    return 0.5 * (a + b + (difference * difference + a * b * (1.0 / 8)).squareRoot())
  }

  /// (a^2 + b^2)^(1/2).
  static func length(_ a: Double, _ b: Double) -> Double { (a * a + b * b).squareRoot() }

  /// The least whole number not below `value`, which is not negative. Adding 2^52 leaves no room
  /// for a fraction; `rounded` is a call into the mathematical library.
  static func ceil(_ value: Double) -> Double {
    guard value < 0x1p51 else { return value }
    let nearest = (value + 0x1p52) - 0x1p52
    return nearest < value ? nearest + 1 : nearest
  }

  /// The greatest whole number not above `value`, which is not negative.
  static func floor(_ value: Double) -> Double {
    guard value < 0x1p51 else { return value }
    let nearest = (value + 0x1p52) - 0x1p52
    return nearest > value ? nearest - 1 : nearest
  }

  /// What share of `bytes` that a repeated kernel touches is no longer in the cache when it comes
  /// again: none up to `share` of the cache, all from the whole of it on.
  static func missing(_ bytes: Double, cache: Double, share: Double) -> Double {
    guard cache > 0 else { return 1 }
    return min(1, max(0, (bytes - share * cache) / (cache * (1 - share))))
  }

  /// Seconds for a byte of which the share `missing` comes from a memory that reaches the share
  /// `memory` of its bandwidth, the rest from a cache `speed` times as fast as all of that; at
  /// `perBandwidth` seconds for a byte at the whole bandwidth.
  @inline(__always)
  static func secondsPerByte(
    missing: Double, memory: Double, speed: Double, perBandwidth: Double
  ) -> Double {
    (missing * speed + (1 - missing) * memory) / (memory * speed) * perBandwidth
  }

  /// The sum of ceil(i x) for i = 1 ... count, exact where x or 1 / x is whole.
  static func sumOfCeilings(_ x: Double, count: Double) -> Double {
    let triangle = count * (count + 1) / 2
    if x >= 1 {
      let isWhole = x == floor(x)
      return x * triangle + (isWhole ? 0 : count / 4)
    }
    let tilesPerBlock = floor(1 / x + 0.5)
    let full = floor(count / tilesPerBlock)
    return tilesPerBlock * full * (full + 1) / 2 + (full + 1) * (count - tilesPerBlock * full)
  }
}

extension KernelParts {
  /// No work, no launch.
  static let none = KernelParts(launch: 0, compute: 0, memory: 0, total: 0)
}
