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
      start: 0.9, in: 0.2...1, scale: .linear, lending: .byUnit),
    KernelTerm(
      "feed", unit: "B/FLOP",
      meaning: "Operands that a unit gets from the cache for each operation of its peak.",
      start: 0.018, in: 0.001...0.2, lending: .byUnit),
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
      in: 0.001...3, lending: .byPower),
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

  /// O(1). Lists the tiles anew: whoever asks often asks ``prepared(for:)``, which allocates once.
  public func parts(of work: GEMMWork, on machine: KernelMachine) -> KernelParts {
    prepared(for: machine).parts(of: work)
  }

  public func prepared(for machine: KernelMachine) -> Prepared { Prepared(self, machine) }
}
