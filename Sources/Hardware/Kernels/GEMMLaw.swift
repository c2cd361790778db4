/// How long a dense multiplication takes: tiles on compute units, a pipeline along k, and traffic.
///
///     let law = GEMMLaw(values)
///     let time = law.parts(of: GEMMWork(m: 64, n: 7168, k: 2048), on: machine).total
///
/// A tile of a x b outputs needs a prologue and an epilogue and, for each column of k,
///
///     column = max(2 a b / (e peak / U), (a Ba + b Bw) / (feed peak / U))
///
/// seconds: the multiplications of one of the U units, or its operands from the cache; Ba and Bw are
/// bytes of an activation and a weight. T tiles take V = max(1, w ceil(T / U) + (1 - w) T / U) rounds,
///
///     compute = prologue + V (epilogue + a b Bo / (store bandwidth / U) + k column)
///     memory  = prologue + missed bytes / (f bandwidth) + cached bytes / (c bandwidth)
///     total   = launch + max(compute, memory) + o min(compute, memory)
///
/// minimised over the tiles and splits of k that the library has (``GEMMTiling``); splitting k by s
/// adds a reduction: a fixed time and s partial outputs through the cache. A tile alone cannot take
/// less than k column latencies. Bytes used again after
/// r bytes hit a cache of C with the share 1 / (1 + (r / (share C))^4). Long kernels are slowed by
/// power: compute x (1 + slowdown u t / (t + slowdown time)), with t the compute time of the tile
/// taken and u the share of the peak that it uses.
///
/// The idea of tiles that fill units in rounds: NVIDIA, "Matrix multiplication background user's
/// guide" (tile and wave quantisation); of a row-wise roofline below it: Williams, Waterman and
/// Patterson, CACM 52(4), 2009.
public struct GEMMLaw: KernelLaw {
  public var launch: Double
  public var tensorFraction: Double
  public var feed: Double
  public var prologue: Double
  public var epilogue: Double
  public var store: Double
  public var memoryFraction: Double
  public var cacheMultiple: Double
  public var cacheShare: Double
  public var columnLatency: Double
  public var overlapLoss: Double
  public var slowdown: Double
  public var slowdownTime: Double
  public var roundShare: Double
  public var reduction: Double
  public var reductionTraffic: Double
  public var quantisedRow: Double
  public var quantiseFraction: Double
  public var host: Double

  public static let terms: [KernelTerm] = [
    KernelTerm(
      "launch", unit: "s", meaning: "From one kernel's end to the next one's first tile.",
      start: 1.8e-6, in: 1e-7...1e-4),
    KernelTerm(
      "tensor-fraction", unit: "1", meaning: "Share of the peak while a tile's columns pass.",
      start: 0.9, in: 0.2...1, scale: .linear),
    KernelTerm(
      "feed", unit: "B/FLOP",
      meaning: "Operands that a unit gets from the cache for each operation of its peak.",
      start: 0.018, in: 0.001...0.2),
    KernelTerm(
      "prologue", unit: "s", meaning: "Until the first bytes of a tile arrive.",
      start: 0.5e-6, in: 1e-8...4e-6),
    KernelTerm(
      "epilogue", unit: "s", meaning: "Between two tiles of a unit.", start: 0.2e-6,
      in: 1e-9...8e-6),
    KernelTerm(
      "store-multiple", unit: "1",
      meaning: "Rate at which tiles are written over the memory's bandwidth.", start: 1.3,
      in: 0.1...50),
    KernelTerm(
      "memory-fraction", unit: "1", meaning: "Share of the peak bandwidth that streams reach.",
      start: 0.93, in: 0.6...1, scale: .linear),
    KernelTerm(
      "cache-multiple", unit: "1", meaning: "The cache's bandwidth over the memory's.", start: 1.8,
      in: 0.5...20),
    KernelTerm(
      "cache-share", unit: "1", meaning: "Share of the cache that keeps what is used again.",
      start: 0.7, in: 0.2...1.5),
    KernelTerm(
      "column-latency", unit: "s", meaning: "Time of a lone tile for each column of k.",
      start: 1e-9, in: 1e-11...2e-8),
    KernelTerm(
      "overlap-loss", unit: "1",
      meaning: "Share of the shorter of compute and memory that is not hidden.", start: 0.22,
      in: 0.001...1, scale: .linear),
    KernelTerm(
      "slowdown", unit: "1", meaning: "What long kernels lose to the power limit.", start: 0.15,
      in: 0.001...3),
    KernelTerm(
      "slowdown-time", unit: "s", meaning: "When half of it is lost.", start: 3e-4, in: 1e-5...0.1),
    KernelTerm(
      "round-share", unit: "1", meaning: "How much whole rounds of tiles count; 1: all wait.",
      start: 0.3, in: 0.01...1, scale: .linear),
    KernelTerm(
      "reduction", unit: "s", meaning: "Fixed cost of adding up a split k.", start: 2.5e-6,
      in: 1e-7...1e-5),
    KernelTerm(
      "reduction-traffic", unit: "1", meaning: "Partial outputs that pass the cache, of all.",
      start: 1, in: 0.05...10),
    KernelTerm(
      "quantised-row", unit: "s", meaning: "Time of a unit to convert one row of activations.",
      start: 0.8e-6, in: 1e-9...1e-5),
    KernelTerm(
      "quantise-fraction", unit: "1", meaning: "Share of the bandwidth that conversion reaches.",
      start: 0.55, in: 0.1...1.5),
    KernelTerm(
      "host", unit: "s", meaning: "The host's time for one call, where no graph hides it.",
      start: 1e-9, in: 1e-10...1e-3),
  ]

  public init(_ values: [Double]) {
    func value(_ index: Int) -> Double {
      index < values.count ? values[index] : Self.terms[index].start
    }
    launch = value(0)
    tensorFraction = value(1)
    feed = value(2)
    prologue = value(3)
    epilogue = value(4)
    store = value(5)
    memoryFraction = value(6)
    cacheMultiple = value(7)
    cacheShare = value(8)
    columnLatency = value(9)
    overlapLoss = value(10)
    slowdown = value(11)
    slowdownTime = value(12)
    roundShare = value(13)
    reduction = value(14)
    reductionTraffic = value(15)
    quantisedRow = value(16)
    quantiseFraction = value(17)
    host = value(18)
  }

  public var values: [Double] {
    [
      launch, tensorFraction, feed, prologue, epilogue, store, memoryFraction, cacheMultiple,
      cacheShare, columnLatency, overlapLoss, slowdown, slowdownTime, roundShare, reduction,
      reductionTraffic, quantisedRow, quantiseFraction, host,
    ]
  }

  /// O(1), no allocation.
  public func parts(of work: GEMMWork, on machine: KernelMachine) -> KernelParts {
    var search = GEMMSearch(self, work, machine)
    switch work.tiling {
    case .best:
      search.considerBest()
    case .byRows:
      if work.m <= 16 || work.m <= 64 && work.n <= 1280 {
        search.consider(16, 64, alternates: false)
      } else if work.m <= 64 {
        search.consider(64, 64, alternates: false)
      } else {
        search.consider(work.m <= 128 ? 64 : 128, 128, cluster: 2)
      }
    case .compiled:
      search.considerCompiled()
    }
    search.finish()
    var fixed = launch
    if work.quantises {
      let rows = Double(work.m)
      let bytes = rows * Double(work.k) * (2 + work.activationBytes)
      fixed +=
        rows * quantisedRow / Double(machine.units) + bytes / (quantiseFraction * machine.bandwidth)
    }
    return KernelParts(
      launch: fixed, compute: search.compute, memory: search.memory,
      total: max(host, fixed + search.best))
  }
}

/// The fastest of the tiles considered so far.
///
/// Written without branches and with few divisions: a query is asked millions of times.
private struct GEMMSearch {
  let law: GEMMLaw
  let m: Double
  let n: Double
  let k: Double
  let units: Double
  let perUnit: Double
  /// Seconds of a unit: for two operations, for one operand byte of activations and of weights, for
  /// one output.
  let perPair: Double
  let perActivation: Double
  let perWeight: Double
  let perOutput: Double
  /// Seconds of the whole machine at its peak for two operations.
  let peakPair: Double
  let splitTraffic: Double
  let memory: Double
  /// Of the best so far, before long kernels are slowed.
  var compute = 0.0
  var use = 0.0
  var extra = 0.0
  var best = Double.infinity

  @inline(__always)
  init(_ law: GEMMLaw, _ work: GEMMWork, _ machine: KernelMachine) {
    self.law = law
    m = Double(work.m)
    n = Double(work.n)
    k = Double(work.k)
    units = Double(machine.units)
    perUnit = 1 / units
    peakPair = 2 / machine.peak
    perPair = peakPair * units / law.tensorFraction
    let perByte = peakPair * units / (2 * law.feed)
    perActivation = work.activationBytes * perByte
    perWeight = work.weightBytes * perByte
    let perMemoryByte = 1 / machine.bandwidth
    let perCacheByte = perMemoryByte / law.cacheMultiple
    perOutput = work.outputBytes * units * perMemoryByte / law.store
    let weights = work.weights
    let others = work.activations + work.outputs
    let kept = 1 / (law.cacheShare * machine.cache)
    let cached =
      weights * Self.hits(work.weightReuse * kept) + others * Self.hits((weights + others) * kept)
    memory =
      law.prologue + (weights + others - cached) * perMemoryByte / law.memoryFraction
      + cached * perCacheByte
    splitTraffic = work.outputs * law.reductionTraffic * perCacheByte
  }

  /// Of bytes that are used again after `distance` shares of the cache.
  @inline(__always)
  static func hits(_ distance: Double) -> Double {
    let square = distance * distance
    return 1 / (1 + square * square)
  }

  /// Nine tiles, less those that cannot be the fastest: higher or wider ones than the output asks
  /// for, and the smallest where even large ones fill the units four times.
  @inline(__always)
  mutating func considerBest() {
    let isLarge = m >= 256 && n >= 256 && m * n >= 65_536 * units
    if !isLarge {
      consider(64, 32, isSplit: true)
      if n > 32 { consider(64, 64, isSplit: true) }
    }
    if n > 64 { consider(64, 128, isSplit: true) }
    if n > 128 { consider(64, 256, isSplit: true) }
    guard m > 64 else { return }
    consider(128, 64, isSplit: true)
    if n > 64 { consider(128, 128, isSplit: true) }
    if n > 128 { consider(128, 256, isSplit: true) }
    guard m > 128 else { return }
    consider(256, 64, isSplit: true)
    if n > 64 { consider(256, 128, isSplit: true) }
  }

  /// Ten tiles, less those that the output does not ask for.
  @inline(__always)
  mutating func considerCompiled() {
    consider(64, 16)
    if n > 16 { consider(64, 32) }
    if n > 32 { consider(64, 64) }
    if n > 64 { consider(64, 96) }
    if n > 96 { consider(64, 128) }
    guard m > 64 else { return }
    consider(128, 32)
    if n > 32 { consider(128, 64) }
    if n > 64 { consider(128, 96) }
    if n > 96 { consider(128, 128) }
    if n > 128 { consider(128, 160) }
  }

  /// - Parameters:
  ///   - cluster: So many tiles in a column of tiles run together or not at all.
  ///   - alternates: Whether a unit's next tile begins while one ends.
  @inline(__always)
  mutating func consider(
    _ height: Double, _ width: Double, cluster: Double = 1, alternates: Bool = true,
    isSplit: Bool = false
  ) {
    let tiles =
      ceiling(m * (1 / (height * cluster))) * cluster * ceiling(n * (1 / width))
    let column = max(
      height * width * perPair, height * perActivation + width * perWeight)
    let end = (alternates ? law.epilogue : law.prologue) + height * width * perOutput
    let start = alternates ? law.prologue : 0
    let peak = height * width * peakPair
    take(tiles, column, start, end, peak, depth: ceiling(k * (1.0 / 64)) * 64, extra: 0)
    guard isSplit, tiles < units else { return }
    let filling = units / tiles
    let most = min(whole(k * (1.0 / 64)), 64)
    let once = min(whole(filling), most)
    let twice = min(whole(2 * filling), most)
    takeSplit(once, tiles, column, start, end, peak)
    if twice > once { takeSplit(twice, tiles, column, start, end, peak) }
  }

  @inline(__always)
  private mutating func takeSplit(
    _ split: Double, _ tiles: Double, _ column: Double, _ start: Double, _ end: Double,
    _ peak: Double
  ) {
    guard split >= 2 else { return }
    take(
      tiles * split, column, start, end, peak, depth: ceiling(k / split * (1.0 / 64)) * 64,
      extra: law.reduction + split * splitTraffic)
  }

  /// - Parameter peak: Seconds of the whole machine at its peak for one column of a tile.
  @inline(__always)
  private mutating func take(
    _ tiles: Double, _ column: Double, _ start: Double, _ end: Double, _ peak: Double,
    depth: Double, extra: Double
  ) {
    let rounds = tiles * perUnit
    let waited = rounds + law.roundShare * (ceiling(rounds) - rounds)
    let time = max(start + max(1, waited) * (end + depth * column), depth * law.columnLatency)
    let total = max(time, memory) + law.overlapLoss * min(time, memory) + extra
    let isBetter = total < best
    best = isBetter ? total : best
    compute = isBetter ? time : compute
    use = isBetter ? tiles * peak * depth : use
    self.extra = isBetter ? extra : self.extra
  }

  /// Slows the best by what power takes.
  @inline(__always)
  mutating func finish() {
    compute += law.slowdown * min(compute, use) * compute / (compute + law.slowdownTime)
    best = max(compute, memory) + law.overlapLoss * min(compute, memory) + extra
  }
}

/// Rounded up, for values from 0 to 2^50; what a division left a billionth above a whole number is
/// that number. Two additions, where a call or a conversion would cost more.
@inline(__always)
func ceiling(_ value: Double) -> Double {
  let value = value - 1e-9
  let nearest = (value + 0x1.8p52) - 0x1.8p52
  return nearest < value ? nearest + 1 : nearest
}

/// Rounded down, likewise.
@inline(__always)
private func whole(_ value: Double) -> Double {
  let value = value + 1e-9
  let nearest = (value + 0x1.8p52) - 0x1.8p52
  return nearest > value ? nearest - 1 : nearest
}
