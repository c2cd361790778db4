/// How long latent attention takes where queries work on the latent vectors themselves: projected
/// queries of all heads share one key of latent + rope elements, whose latent part is the value, and
/// the outputs are projected back.
///
///     stream(tiles) = longer(tile + length(blocks block, mma), tiles B / rate)   (a wave, or its rest)
///     device = launch + token (tokens) + stream + combine + bytes / bandwidth + projections
///     t = longer(host, device)
///
/// with tiles of some heads x queries of one sequence, or parts of them; bytes are `passes` over
/// queries and outputs in latent width, the parts of split contexts and the projections' weights.
/// Where each kernel is launched from the host one by one, the host's time bounds it from below: six
/// kernels and their checks take longer than short contexts do.
///
/// Absorbed projections: DeepSeek-AI, "DeepSeek-V2", 2024, appendix C.
public struct LatentDecodeLaw: KernelLaw {
  /// Equal sequences.
  public struct Work: Hashable, Sendable {
    public var library: LatentLibrary
    public var sequences: Int
    /// New tokens of each sequence: one where it decodes.
    public var queries: Int
    /// Keys of each sequence, with the new ones.
    public var context: Int
    public var heads: Int
    public var shape: LatentShape
    /// Of an element of the cache.
    public var elementBytes: Double
    /// Whether queries are projected before and outputs after.
    public var projects: Bool
    /// Whether the host launches kernel after kernel; a recorded graph does not.
    public var isLaunchedByHost: Bool

    @inlinable
    public init(
      _ library: LatentLibrary, sequences: Int, queries: Int = 1, context: Int, heads: Int,
      shape: LatentShape = .deepSeek, elementBytes: Double = 2, projects: Bool = true,
      isLaunchedByHost: Bool = false
    ) {
      self.library = library
      self.sequences = sequences
      self.queries = queries
      self.context = context
      self.heads = heads
      self.shape = shape
      self.elementBytes = elementBytes
      self.projects = projects
      self.isLaunchedByHost = isLaunchedByHost
    }
  }

  /// s: of the host, for all kernels of one call.
  public var host: Double
  /// s: of the device, with everything that comes once.
  public var launch: Double
  /// s: for each new token, whatever its heads: its latent vector is stored.
  public var token: Double
  /// s: a tile's prologue and epilogue.
  public var tile: Double
  /// s: from one block of keys to the next, where nothing else is slower.
  public var block: Double
  /// Of the peak rate, by padded tiles.
  public var arithmetic: Double
  /// Of the memory's bandwidth.
  public var memory: Double
  /// Over queries and outputs in latent width, of all kernels together.
  public var passes: Double
  /// Of the peak rate, by the projections of queries and outputs.
  public var projection: Double
  /// s: adding up the parts of split contexts.
  public var combine: Double

  public static let terms: [KernelTerm] = [
    KernelTerm(
      "host", unit: "s", meaning: "of the host, for all kernels of a call", start: 1.7e-4,
      in: 1e-5...1e-3),
    KernelTerm(
      "launch", unit: "s", meaning: "of the device, what comes once", start: 4e-5,
      in: 1e-6...3e-4),
    KernelTerm(
      "token", unit: "s", meaning: "for each new token, whatever its heads", start: 1e-8,
      in: 1e-11...1e-6),
    KernelTerm(
      "tile", unit: "s", meaning: "a tile's prologue and epilogue", start: 3e-6,
      in: 1e-8...6e-5),
    KernelTerm(
      "block", unit: "s", meaning: "from one block of keys to the next", start: 1e-6,
      in: 1e-9...3e-5),
    KernelTerm(
      "arithmetic", unit: "1", meaning: "of the peak rate, by padded tiles", start: 0.5,
      in: 0.02...1, lending: .byUnit),
    KernelTerm(
      "memory", unit: "1", meaning: "of the memory's bandwidth", start: 0.85, in: 0.2...1),
    KernelTerm(
      "passes", unit: "1", meaning: "over queries and outputs in latent width", start: 2,
      in: 0.2...20),
    KernelTerm(
      "projection", unit: "1", meaning: "of the peak rate, by the projections", start: 0.6,
      in: 0.1...1),
    KernelTerm(
      "combine", unit: "s", meaning: "adding up the parts of contexts", start: 5e-6,
      in: 1e-9...5e-5),
  ]

  public init(_ values: [Double]) {
    func value(_ index: Int) -> Double {
      index < values.count ? values[index] : Self.terms[index].start
    }
    host = value(0)
    launch = value(1)
    token = value(2)
    tile = value(3)
    block = value(4)
    arithmetic = value(5)
    memory = value(6)
    passes = value(7)
    projection = value(8)
    combine = value(9)
  }

  public var values: [Double] {
    [host, launch, token, tile, block, arithmetic, memory, passes, projection, combine]
  }

  /// O(1), no allocation.
  public func parts(of work: Work, on machine: KernelMachine) -> KernelParts {
    guard work.sequences > 0, work.queries > 0, work.context > 0, work.heads > 0 else {
      return .none
    }
    let library = work.library
    let units = Double(machine.units)
    let sequences = Double(work.sequences)
    let heads = Double(work.heads)
    let queries = Double(work.queries)
    let context = Double(work.context)
    let latent = Double(work.shape.latent)
    let keyWidth = latent + Double(work.shape.rope)
    let products = keyWidth + latent

    // How queries and contexts are cut.
    let rowTiles = TileMath.ceil(heads * queries * library.perRows)
    let whole = sequences * rowTiles
    let blocks = TileMath.ceil(context * library.perBlock)
    var tileBlocks: Double
    var splits: Double
    if library.fillsUnits {
      let wanted = TileMath.ceil(1.1 * blocks * whole / units)
      tileBlocks = min(blocks, max(wanted, TileMath.ceil(blocks * library.perMostSplits)))
      splits = TileMath.ceil(blocks / tileBlocks)
      tileBlocks = TileMath.ceil(blocks / splits)
    } else {
      let keys = TileMath.ceil(context * library.perMostSplits)
      splits = TileMath.ceil(context / keys)
      tileBlocks = TileMath.ceil(keys * library.perBlock)
    }
    // New tokens do not see those after them.
    var keys = min(context, tileBlocks * library.block)
    if work.queries > 1 {
      let mean = context - queries + (queries + min(queries, library.rows / heads)) / 2
      keys = min(mean, keys)
      tileBlocks = max(1, keys * library.perBlock)
    }

    // Waves of tiles and the rest of one.
    let tiles = whole * splits
    let cacheBytes = sequences * context * keyWidth * work.elementBytes
    let perBandwidth = 1 / machine.bandwidth
    let allReading = cacheBytes * perBandwidth / memory
    let tileReading = allReading / tiles
    let mma = 2 * library.rows * keys * products * units / (arithmetic * machine.peak)
    let step = tile + TileMath.length(tileBlocks * block, mma)
    let ofUnits = tiles / units
    let waves = TileMath.floor(ofUnits)
    let rest = tiles - waves * units
    var stream = waves > 0 ? waves * TileMath.longer(step, units * tileReading) : 0
    if rest > 0 { stream += TileMath.longer(step, rest * tileReading) }

    // What comes before and after.
    let vectors = sequences * queries * heads
    var bytes = work.projects ? passes * vectors * products * 2 : vectors * products * 2
    var before = launch + token * sequences * queries
    if splits > 1 {
      before += combine
      bytes += 8 * splits * vectors * latent
    }
    var projections = 0.0
    if work.projects {
      let inner = Double(work.shape.key + work.shape.value) * latent
      bytes += heads * inner * 2
      projections = 2 * vectors * inner / (projection * machine.peak)
    }
    let edges = bytes * perBandwidth
    let device = before + stream + edges + projections
    return KernelParts(
      launch: work.isLaunchedByHost ? max(host, before) : before,
      compute: TileMath.ceil(ofUnits) * step + projections,
      memory: allReading + edges,
      total: work.isLaunchedByHost ? TileMath.longer(host, device) : device)
  }
}
