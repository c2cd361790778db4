/// How long attention takes where every sequence has one query: all keys and values of its context
/// are read once.
///
/// n = ceil(context / keys of a block) blocks; a tile is the queries of one key head of one
/// sequence, or a part of its blocks where that many tiles would leave units without work:
///
///     blocks = max(ceil(n heads sequences / (fill places)), ceil(n / most splits)), splits = ceil(n / blocks)
///     stream(tiles) = longer(blocks length(block, mma), tiles B / rate)      (a wave, or its rest)
///     t = launch + tile + stream + exposed overlap + combine(splits) + output + planning
///
/// where mma is the padded tile's FLOPs over the unit's share of the peak, B a tile's bytes of keys
/// and values, rate the bandwidth that is reached in memory or in the cache, places = units x tiles
/// that a unit works at together. Few tiles in flight cannot saturate the memory: then the block's
/// latency rules (Little's law). Prologues and epilogues of the second and later tiles of a unit
/// hide behind streaming but for the `exposed` share of the shorter of the two.
///
/// Wave quantisation after NVIDIA, "Matrix multiplication background user's guide", section 3; the
/// rest is the roofline of each wave (Williams, Waterman and Patterson, CACM 52(4), 2009).
public struct AttentionDecodeLaw: KernelLaw {
  /// Every sequence with one query.
  public struct Work: Hashable, Sendable {
    public var library: AttentionLibrary
    public var sequences: Int
    /// Keys of each sequence, with the new one.
    public var context: Int
    public var queryHeads: Int
    public var keyHeads: Int
    /// Elements of a head.
    public var width: Int
    /// Of an element of keys and values, and of queries.
    public var elementBytes: Double
    /// Keys that a query sees; nil where it sees all.
    public var window: Int?

    @inlinable
    public init(
      _ library: AttentionLibrary, sequences: Int, context: Int, queryHeads: Int, keyHeads: Int,
      width: Int, elementBytes: Double = 2, window: Int? = nil
    ) {
      self.library = library
      self.sequences = sequences
      self.context = context
      self.queryHeads = queryHeads
      self.keyHeads = keyHeads
      self.width = width
      self.elementBytes = elementBytes
      self.window = window
    }
  }

  /// s: with everything that comes once, whatever the work.
  public var launch: Double
  /// s: a tile's prologue and epilogue.
  public var tile: Double
  /// s: more for each 128 elements of a head.
  public var tileWidth: Double
  /// s: from one block of keys to the next, where nothing else is slower.
  public var block: Double
  /// Of the peak rate, by padded tiles.
  public var arithmetic: Double
  /// Of the memory's bandwidth.
  public var memory: Double
  /// The cache's bandwidth over the memory's.
  public var cacheSpeed: Double
  /// Of the cache, that which holds what the launch before has left.
  public var cacheShare: Double
  /// Of the shorter of streaming and of later tiles' prologues, that which shows.
  public var exposed: Double
  /// s: the second kernel that adds up the parts of split contexts.
  public var combine: Double
  /// s: more for each part.
  public var combinePart: Double
  /// s: for each sequence, found by every unit's walk over them.
  public var sequence: Double
  /// s: more for each sequence in a launch that may split contexts.
  public var splitSequence: Double
  /// s: queries ordered by key head.
  public var regroup: Double
  /// s: queries and outputs copied for that.
  public var copy: Double
  /// Passes over queries and outputs, at full bandwidth.
  public var output: Double

  public static let terms: [KernelTerm] = [
    KernelTerm(
      "launch", unit: "s", meaning: "what comes once", start: 8e-6, in: 5e-7...5e-5),
    KernelTerm(
      "tile", unit: "s", meaning: "a tile's prologue and epilogue", start: 1.4e-6,
      in: 1e-7...1e-5),
    KernelTerm(
      "tile-width", unit: "s", meaning: "more of it for each 128 elements of a head",
      start: 1e-6, in: 1e-9...1e-5),
    KernelTerm(
      "block", unit: "s", meaning: "from one block of keys to the next", start: 1e-6,
      in: 1e-8...1e-5),
    KernelTerm(
      "arithmetic", unit: "1", meaning: "of the peak rate, by padded tiles", start: 0.6,
      in: 0.02...1, lending: .byUnit),
    KernelTerm(
      "memory", unit: "1", meaning: "of the memory's bandwidth", start: 0.9, in: 0.2...1),
    KernelTerm(
      "cache-speed", unit: "1", meaning: "the cache's bandwidth over the memory's", start: 1.7,
      in: 0.5...8),
    KernelTerm(
      "cache-share", unit: "1", meaning: "of the cache, what keeps the last launch's bytes",
      start: 0.65, in: 0.2...0.98, scale: .linear),
    KernelTerm(
      "exposed", unit: "1", meaning: "of later tiles' prologues, what does not hide",
      start: 0.7, in: 0...1, scale: .linear),
    KernelTerm(
      "combine", unit: "s", meaning: "adding up the parts of contexts", start: 1.5e-6,
      in: 1e-9...2e-5),
    KernelTerm(
      "combine-part", unit: "s", meaning: "more of it for each part", start: 6e-8,
      in: 1e-10...1e-6),
    KernelTerm(
      "sequence", unit: "s", meaning: "for each sequence", start: 5e-9, in: 1e-11...1e-7),
    KernelTerm(
      "split-sequence", unit: "s", meaning: "more where contexts may be split", start: 1.5e-8,
      in: 1e-11...1e-7),
    KernelTerm(
      "regroup", unit: "s", meaning: "queries ordered by key head", start: 1e-6,
      in: 1e-9...1e-5),
    KernelTerm(
      "copy", unit: "s", meaning: "queries and outputs copied for it", start: 4e-6,
      in: 1e-9...2e-5),
    KernelTerm(
      "output", unit: "1", meaning: "passes over queries and outputs", start: 1.2, in: 0.05...6),
  ]

  public init(_ values: [Double]) {
    func value(_ index: Int) -> Double {
      index < values.count ? values[index] : Self.terms[index].start
    }
    launch = value(0)
    tile = value(1)
    tileWidth = value(2)
    block = value(3)
    arithmetic = value(4)
    memory = value(5)
    cacheSpeed = value(6)
    cacheShare = value(7)
    exposed = value(8)
    combine = value(9)
    combinePart = value(10)
    sequence = value(11)
    splitSequence = value(12)
    regroup = value(13)
    copy = value(14)
    output = value(15)
  }

  public var values: [Double] {
    [
      launch, tile, tileWidth, block, arithmetic, memory, cacheSpeed, cacheShare, exposed, combine,
      combinePart, sequence, splitSequence, regroup, copy, output,
    ]
  }

  /// O(1), no allocation.
  public func parts(of work: Work, on machine: KernelMachine) -> KernelParts {
    guard work.sequences > 0, work.context > 0 else { return .none }
    let library = work.library
    let sequences = Double(work.sequences)
    let width = Double(work.width)
    let context = Double(min(work.context, work.window ?? .max))
    let keyHeads = Double(work.keyHeads)
    let group = work.keyHeads == 1 ? Double(work.queryHeads) : Double(work.queryHeads) / keyHeads
    let units = Double(machine.units)
    let resident = Double(library.residentTiles)
    let places = units * resident
    let perBandwidth = 1 / machine.bandwidth

    // How the contexts are cut.
    let mayPlanSplits = work.sequences <= library.mostSequencesSplit
    let maySplit = mayPlanSplits && (group > 1 || library.splitsSingleHeads)
    let blockKeys = library.decodingBlock(width: work.width, elementBytes: work.elementBytes)
    let blocks = TileMath.ceil(context / blockKeys)
    var tileBlocks = blocks
    var splits = 1.0
    if maySplit && library.alwaysSplits {
      splits = library.mostSplits
      tileBlocks = TileMath.ceil(blocks / splits)
    } else if maySplit {
      let wanted = TileMath.ceil(blocks * sequences * keyHeads / (library.fill * places))
      tileBlocks = min(blocks, max(wanted, TileMath.ceil(blocks * library.perMostSplits)))
      if tileBlocks < blocks {
        splits = TileMath.ceil(blocks / tileBlocks)
        tileBlocks = TileMath.ceil(blocks / splits)
      }
    }
    let tiles = sequences * keyHeads * splits

    // Bytes, and how fast they come.
    let cacheBytes = 2 * sequences * context * keyHeads * width * work.elementBytes
    let heads = sequences * Double(work.queryHeads) * width
    let edgeBytes = heads * (work.elementBytes + 2)
    let partBytes = splits > 1 ? 8 * splits * heads : 0
    let missing = TileMath.missing(
      cacheBytes + edgeBytes, cache: machine.cache, share: cacheShare)
    let reading = TileMath.secondsPerByte(
      missing: missing, memory: memory, speed: cacheSpeed, perBandwidth: perBandwidth)

    // Waves of tiles and the rest of one.
    let rows = library.decodingRows(group: group, width: work.width)
    let tileKeys = min(context, tileBlocks * blockKeys)
    let peak = arithmetic * library.peakShare * machine.peak
    let mma = 4 * rows * tileKeys * width * units / peak
    let step = TileMath.length(tileBlocks * block, mma)
    let tileReading = cacheBytes / tiles * reading
    let ofUnits = tiles / units
    let perUnit = TileMath.ceil(ofUnits)
    let waves = TileMath.floor(resident == 1 ? ofUnits : ofUnits * 0.5)
    let rest = tiles - waves * places
    var stream = 0.0
    if waves > 0 {
      stream =
        waves * TileMath.longer(step * resident, places * tileReading)
    }
    if rest > 0 {
      let restPerUnit = rest <= units ? 1 : TileMath.ceil(rest / units)
      stream += TileMath.longer(step * restPerUnit, rest * tileReading)
    }
    let prologue = tile + tileWidth * width * (1.0 / 128)
    let later = (perUnit - 1) * prologue
    let busy = max(stream, later) + exposed * min(stream, later)

    // What comes before and after.
    var before = launch + prologue + sequence * sequences
    if mayPlanSplits { before += splitSequence * sequences }
    if splits > 1 { before += combine + combinePart * splits }
    var edges = output * (edgeBytes + partBytes)
    if library.regroupsByCopy && group > 1 {
      before += regroup
      if work.keyHeads > 1 && work.sequences > 1 {
        before += copy
        edges += 8 * heads
      }
    }
    let edge = edges * perBandwidth
    return KernelParts(
      launch: before, compute: perUnit * step,
      memory: cacheBytes * reading + edge, total: before + busy + edge)
  }
}
