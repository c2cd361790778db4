/// How long one launch of a grouped multiplication takes.
///
///     let load = GroupedLoad(counts: tokensOfEachExpert)
///     let work = GroupedGEMMWork(load: load, n: 4096, k: 7168)
///     let time = GroupedGEMMLaw(values).parts(of: work, on: machine).total
///
/// As ``GEMMLaw``, with tiles counted expert by expert: with tiles of a rows and b columns,
///
///     tiles = sum over experts of ceil(rows / a), times ceil(n / b)
///     column = max(2 a b / (e peak / U), (a Ba + b Bw) / (feed peak / U))
///     compute = max(V (epilogue + k column), k column latency)
///     memory = (weights of active experts + activations + outputs) / (f bandwidth)
///     total = launch + max(compute, memory) + o min(compute, memory)
///
/// with V = max(1, w ceil(T / U) + (1 - w) T / U) rounds of T tiles on U units. Weights are read
/// once, and once more for each so many rows of an expert where the expert's weights do not fit the
/// cache. Tiles of experts that are elsewhere take the time to see that. The fastest tile that the
/// library has is taken.
public struct GroupedGEMMLaw: KernelLaw {
  public var launch: Double
  public var tensorFraction: Double
  public var feed: Double
  public var columnLatency: Double
  public var epilogue: Double
  public var memoryFraction: Double
  public var cacheShare: Double
  public var overlapLoss: Double
  public var slowdown: Double
  public var slowdownTime: Double
  public var roundShare: Double
  public var unalignedShare: Double
  public var rowsOfPass: Double
  public var foreignTile: Double
  public var widening: Double
  public var vectorWidening: Double
  public var vectorRate: Double

  public static let terms: [KernelTerm] = [
    KernelTerm(
      "launch", unit: "s", meaning: "All launches, and what else does not grow with the work.",
      start: 25e-6, in: 1e-6...1e-3),
    KernelTerm(
      "tensor-fraction", unit: "1", meaning: "Share of the peak while a tile's columns pass.",
      start: 0.8, in: 0.2...1, scale: .linear),
    KernelTerm(
      "feed", unit: "B/FLOP",
      meaning: "Operands that a unit gets from the cache for each operation of its peak.",
      start: 0.015, in: 0.001...0.2),
    KernelTerm(
      "column-latency", unit: "s", meaning: "Time of a lone tile for each column of k.",
      start: 1.5e-9, in: 1e-10...2e-7),
    KernelTerm(
      "epilogue", unit: "s", meaning: "Between two tiles of a unit.", start: 0.8e-6,
      in: 1e-9...1e-5),
    KernelTerm(
      "memory-fraction", unit: "1", meaning: "Share of the peak bandwidth that streams reach.",
      start: 0.93, in: 0.3...1, scale: .linear),
    KernelTerm(
      "cache-share", unit: "1", meaning: "Share of the cache that keeps what is used again.",
      start: 0.7, in: 0.2...1.5),
    KernelTerm(
      "overlap-loss", unit: "1",
      meaning: "Share of the shorter of compute and memory that is not hidden.", start: 0.3,
      in: 0.001...1, scale: .linear),
    KernelTerm(
      "slowdown", unit: "1", meaning: "What long kernels lose to the power limit.", start: 0.6,
      in: 0.001...3),
    KernelTerm(
      "slowdown-time", unit: "s", meaning: "When half of it is lost.", start: 7e-3, in: 1e-5...0.1),
    KernelTerm(
      "round-share", unit: "1", meaning: "How much whole rounds of tiles count; 1: all wait.",
      start: 0.7, in: 0.01...1, scale: .linear),
    KernelTerm(
      "unaligned-share", unit: "1",
      meaning: "Share of the feed where k is no multiple of 16 numbers.", start: 0.1, in: 0.005...1),
    KernelTerm(
      "rows-of-pass", unit: "1",
      meaning: "Rows of an expert that share one reading of its weights.",
      start: 1000, in: 100...1e5),
    KernelTerm(
      "foreign-tile", unit: "s", meaning: "Time of a unit to pass over a tile of another device.",
      start: 0.13e-6, in: 1e-9...1e-5),
    KernelTerm(
      "widening", unit: "1/s", meaning: "Four-bit weights that a unit widens for its matrix units.",
      start: 7e9, in: 5e8...1e11),
    KernelTerm(
      "vector-widening", unit: "1/s", meaning: "The same of kernels without matrix units.",
      start: 18e9, in: 1e9...2e11),
    KernelTerm(
      "vector-rate", unit: "1/s", meaning: "Products that such a kernel adds up in a unit.",
      start: 48e9, in: 1e9...1e12),
  ]

  public init(_ values: [Double]) {
    func value(_ index: Int) -> Double {
      index < values.count ? values[index] : Self.terms[index].start
    }
    launch = value(0)
    tensorFraction = value(1)
    feed = value(2)
    columnLatency = value(3)
    epilogue = value(4)
    memoryFraction = value(5)
    cacheShare = value(6)
    overlapLoss = value(7)
    slowdown = value(8)
    slowdownTime = value(9)
    roundShare = value(10)
    unalignedShare = value(11)
    rowsOfPass = value(12)
    foreignTile = value(13)
    widening = value(14)
    vectorWidening = value(15)
    vectorRate = value(16)
  }

  public var values: [Double] {
    [
      launch, tensorFraction, feed, columnLatency, epilogue, memoryFraction, cacheShare,
      overlapLoss,
      slowdown, slowdownTime, roundShare, unalignedShare, rowsOfPass, foreignTile, widening,
      vectorWidening, vectorRate,
    ]
  }

  /// O(1), no allocation.
  public func parts(of work: GroupedGEMMWork, on machine: KernelMachine) -> KernelParts {
    let work = multiplication(work, machine)
    return KernelParts(
      launch: launch, compute: work.compute, memory: work.memory, total: launch + work.total)
  }

  /// The work alone, without the launch.
  func multiplication(_ work: GroupedGEMMWork, _ machine: KernelMachine) -> KernelParts {
    guard work.load.rows > 0 || work.foreign.rows > 0 else {
      return KernelParts(launch: 0, compute: 0, memory: 0, total: 0)
    }
    var search = GroupedSearch(self, work, machine)
    switch work.tiling {
    case .best:
      search.consider(16, 64, work.load.blocks16, work.foreign.blocks16)
      search.consider(16, 128, work.load.blocks16, work.foreign.blocks16)
      search.consider(32, 64, work.load.blocks32, work.foreign.blocks32)
      search.consider(32, 128, work.load.blocks32, work.foreign.blocks32)
      search.consider(64, 64, work.load.blocks64, work.foreign.blocks64)
      search.consider(64, 128, work.load.blocks64, work.foreign.blocks64)
      search.consider(128, 64, work.load.blocks128, work.foreign.blocks128)
      search.consider(128, 128, work.load.blocks128, work.foreign.blocks128)
    case .narrow:
      search.consider(16, 32, work.load.blocks16, work.foreign.blocks16)
    case .square:
      search.consider(64, 64, work.load.blocks64, work.foreign.blocks64)
    case .widened:
      search.consider(16, 64, work.load.blocks16, work.foreign.blocks16)
      search.consider(16, 128, work.load.blocks16, work.foreign.blocks16)
      search.consider(32, 64, work.load.blocks32, work.foreign.blocks32)
      search.consider(32, 128, work.load.blocks32, work.foreign.blocks32)
      search.consider(64, 64, work.load.blocks64, work.foreign.blocks64)
      search.consider(64, 128, work.load.blocks64, work.foreign.blocks64)
    case .vector:
      search.considerVectors(work.load)
    }
    search.finish()
    return KernelParts(
      launch: 0, compute: search.compute, memory: search.memory, total: search.best)
  }
}

/// The fastest of the tiles considered so far.
private struct GroupedSearch {
  let law: GroupedGEMMLaw
  let n: Double
  let k: Double
  let units: Double
  let perUnit: Double
  /// Seconds of a unit: for two operations, for one operand byte of activations and of weights, for
  /// one weight that is widened.
  let perPair: Double
  let perActivation: Double
  let perWeight: Double
  let perWidened: Double
  /// Seconds of the whole machine: at its peak for two operations, for a tile that it passes over.
  let peakPair: Double
  let foreignTile: Double
  let latency: Double
  let memory: Double
  /// Of the best so far, before long kernels are slowed.
  var compute = 0.0
  var use = 0.0
  var extra = 0.0
  var best = Double.infinity

  @inline(__always)
  init(_ law: GroupedGEMMLaw, _ work: GroupedGEMMWork, _ machine: KernelMachine) {
    self.law = law
    n = Double(work.n)
    k = Double(work.k)
    units = Double(machine.units)
    perUnit = 1 / units
    foreignTile = law.foreignTile * perUnit
    peakPair = 2 / machine.peak
    perPair = peakPair * units / law.tensorFraction
    let isAligned = work.k & 15 == 0 || work.weightBytes < 1
    let perByte = peakPair * units / (2 * law.feed * (isAligned ? 1 : law.unalignedShare))
    perActivation = work.activationBytes * perByte
    perWeight = work.weightBytes * perByte
    perWidened = work.weightBytes < 1 ? 1 / law.widening : 0
    latency = k * law.columnLatency
    let one = n * k * work.weightBytes
    let kept = law.cacheShare * machine.cache
    let fit = kept / one
    let again = one * work.load.rows / (law.rowsOfPass * (1 + fit * fit))
    let distance = work.weightReuse / kept
    let square = distance * distance
    let missed = 1 - 1 / (1 + square * square)
    let rest = work.load.rows * (k * work.activationBytes + n * work.outputBytes)
    memory =
      (work.load.active * one * missed + again + rest) / (law.memoryFraction * machine.bandwidth)
  }

  /// - Parameters:
  ///   - blocks: Tiles in a column of tiles, of all experts that are here.
  ///   - foreign: The same of experts that are elsewhere.
  @inline(__always)
  mutating func consider(
    _ height: Double, _ width: Double, _ blocks: Double, _ foreign: Double
  ) {
    let across = ceiling(n * (1 / width))
    let tiles = blocks * across
    let rounds = tiles * perUnit
    let waited = rounds + law.roundShare * (ceiling(rounds) - rounds)
    let column = max(
      height * width * perPair,
      max(height * perActivation + width * perWeight, width * perWidened))
    let time = max(max(1, waited) * (law.epilogue + k * column), latency)
    take(
      tiles > 0 ? time : 0, use: tiles * height * width * k * peakPair,
      extra: foreign * across * foreignTile)
  }

  /// Without matrix units: each weight is widened once, each product added on its own.
  @inline(__always)
  mutating func considerVectors(_ load: GroupedLoad) {
    let widening = load.active * n * k / (law.vectorWidening * units)
    let products = load.rows * n * k / (law.vectorRate * units)
    take(
      max(widening, products) + law.overlapLoss * min(widening, products), use: 0, extra: 0)
  }

  @inline(__always)
  private mutating func take(_ time: Double, use: Double, extra: Double) {
    let total = max(time, memory) + law.overlapLoss * min(time, memory) + extra
    let isBetter = total < best
    best = isBetter ? total : best
    compute = isBetter ? time : compute
    self.use = isBetter ? use : self.use
    self.extra = isBetter ? extra : self.extra
  }

  /// Slows the best by what power takes.
  @inline(__always)
  mutating func finish() {
    compute += law.slowdown * min(compute, use) * compute / (compute + law.slowdownTime)
    best = max(compute, memory) + law.overlapLoss * min(compute, memory) + extra
  }
}
