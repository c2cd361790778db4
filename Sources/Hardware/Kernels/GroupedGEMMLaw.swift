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
      start: 0.8, in: 0.2...1, scale: .linear, lending: .byUnit),
    KernelTerm(
      "feed", unit: "B/FLOP",
      meaning: "Operands that a unit gets from the cache for each operation of its peak.",
      start: 0.015, in: 0.001...0.2, lending: .byUnit),
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
    prepared(for: machine).parts(of: work)
  }

  public func prepared(for machine: KernelMachine) -> Prepared { Prepared(self, machine) }
}
