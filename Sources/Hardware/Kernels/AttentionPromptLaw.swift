/// How long attention takes over prompts: every token sees itself and those before it, and the new
/// keys and values are first written into the paged cache.
///
/// A tile is some queries of one head against the keys up to its last one; a tile of k keys takes
/// tile + k key with
///
///     key = 4 rows width (1 + (width / wide)^3) units / (arithmetic peak) + rows / scores
///
/// because products run on the tensor units and the exponentials of the scores beside them, only
/// in part at the same time. All tiles share the units, the longest of them bounds the end, and where
/// it starts late it shows:
///
///     make = longer(sum of tiles / units, longest) + tail (1 - units / tiles) longest
///     t = launch + write + (smoothLonger(make, memory) + first tiles' edges + parts) slow
///
/// slow = 1 + throttle busy / (busy + throttle-time): long kernels at full power lose clock.
/// The write is one block of threads for each token, resident by its size, and its bytes.
public struct AttentionPromptLaw: KernelLaw {
  /// Equal prompts with nothing before them.
  public struct Work: Hashable, Sendable {
    public var library: AttentionLibrary
    public var sequences: Int
    /// Tokens of each.
    public var tokens: Int
    public var queryHeads: Int
    public var keyHeads: Int
    /// Elements of a head.
    public var width: Int
    /// Of an element of keys and values in the cache, and of queries.
    public var elementBytes: Double
    /// Keys that a query sees; nil where it sees all before it.
    public var window: Int?

    @inlinable
    public init(
      _ library: AttentionLibrary, sequences: Int, tokens: Int, queryHeads: Int, keyHeads: Int,
      width: Int, elementBytes: Double = 2, window: Int? = nil
    ) {
      self.library = library
      self.sequences = sequences
      self.tokens = tokens
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
  /// Of the peak rate, by whole tiles.
  public var arithmetic: Double
  /// Exponentials a second and compute unit.
  public var scores: Double
  /// Elements of a head with which the rate of products is half.
  public var wide: Double
  /// s: more for each 128 keys of a tile that has a unit for itself.
  public var chain: Double
  /// Of the longest tile, that which the units wait for at the end.
  public var tail: Double
  /// s: a block of 512 threads that writes one token's keys and values.
  public var write: Double
  /// Of the memory's bandwidth.
  public var memory: Double
  /// The cache's bandwidth over the memory's.
  public var cacheSpeed: Double
  /// Of the cache, that which holds what the launch before has left.
  public var cacheShare: Double
  /// s: the second kernel that adds up the parts of split contexts.
  public var combine: Double
  /// Passes over the queries and outputs of the first tile of each unit, which nothing hides.
  public var edges: Double
  /// The share of time that a very long kernel loses to its power limit.
  public var throttle: Double
  /// s: how long a kernel is when it loses half of that.
  public var throttleTime: Double

  public static let terms: [KernelTerm] = [
    KernelTerm(
      "launch", unit: "s", meaning: "what comes once", start: 9e-6, in: 5e-7...5e-5),
    KernelTerm(
      "tile", unit: "s", meaning: "a tile's prologue and epilogue", start: 3e-6,
      in: 1e-7...2e-5),
    KernelTerm(
      "tile-width", unit: "s", meaning: "more of it for each 128 elements of a head",
      start: 4e-7, in: 1e-9...1e-5),
    KernelTerm(
      "arithmetic", unit: "1", meaning: "of the peak rate, by whole tiles", start: 0.8,
      in: 0.05...1, lending: .byUnit),
    KernelTerm(
      "scores", unit: "1/s", meaning: "exponentials a second and compute unit", start: 3.5e10,
      in: 2e9...5e11),
    KernelTerm(
      "wide", unit: "1", meaning: "elements of a head with which products take twice the time",
      start: 1000, in: 100...20_000),
    KernelTerm(
      "chain", unit: "s", meaning: "more for 128 keys of a tile alone on its unit",
      start: 5e-8, in: 1e-10...5e-6),
    KernelTerm(
      "tail", unit: "1", meaning: "of the longest tile, what the units wait for at the end",
      start: 0.2, in: 0.001...3),
    KernelTerm(
      "write", unit: "s", meaning: "a block of 512 threads that writes a token's keys",
      start: 6e-7, in: 1e-9...1e-5),
    KernelTerm(
      "memory", unit: "1", meaning: "of the memory's bandwidth", start: 0.85, in: 0.2...1),
    KernelTerm(
      "cache-speed", unit: "1", meaning: "the cache's bandwidth over the memory's", start: 2.5,
      in: 0.5...8),
    KernelTerm(
      "cache-share", unit: "1", meaning: "of the cache, what keeps the last launch's bytes",
      start: 0.5, in: 0.1...0.98, scale: .linear),
    KernelTerm(
      "combine", unit: "s", meaning: "adding up the parts of contexts", start: 2e-6,
      in: 1e-9...2e-5),
    KernelTerm(
      "edges", unit: "1", meaning: "passes over the first tiles' queries and outputs",
      start: 2, in: 0.05...8),
    KernelTerm(
      "throttle", unit: "1", meaning: "time that very long kernels lose to the power limit",
      start: 0.15, in: 1e-4...0.6, lending: .byPower),
    KernelTerm(
      "throttle-time", unit: "s", meaning: "how long kernels are that lose half of it",
      start: 0.02, in: 1e-4...0.5),
  ]

  public init(_ values: [Double]) {
    func value(_ index: Int) -> Double {
      index < values.count ? values[index] : Self.terms[index].start
    }
    launch = value(0)
    tile = value(1)
    tileWidth = value(2)
    arithmetic = value(3)
    scores = value(4)
    wide = value(5)
    chain = value(6)
    tail = value(7)
    write = value(8)
    memory = value(9)
    cacheSpeed = value(10)
    cacheShare = value(11)
    combine = value(12)
    edges = value(13)
    throttle = value(14)
    throttleTime = value(15)
  }

  public var values: [Double] {
    [
      launch, tile, tileWidth, arithmetic, scores, wide, chain, tail, write, memory, cacheSpeed,
      cacheShare, combine, edges, throttle, throttleTime,
    ]
  }

  /// O(1), no allocation.
  public func parts(of work: Work, on machine: KernelMachine) -> KernelParts {
    guard work.sequences > 0, work.tokens > 0 else { return .none }
    let units = Double(machine.units)
    let perUnits = 1 / units
    let perBandwidth = 1 / machine.bandwidth
    let tokens = Double(work.tokens)
    let width = Double(work.width)
    let cut = PromptTiles(work)

    // What a key of a tile costs, and all tiles together.
    let ratio = width / wide
    let products = 4 * width * (1 + ratio * ratio * ratio) * units / (arithmetic * machine.peak)
    let key = cut.rows * (products + 1 / scores)
    let prologue = tile + tileWidth * width * (1.0 / 128)
    let tiles = cut.tiles
    let average = prologue + cut.meanKeys * key
    var splits = 1.0
    var longestKeys = min(tokens, cut.mostKeys)
    if work.library.packsPrompts && tiles < 0.8 * units {
      let wanted = max(1, TileMath.ceil(1.1 * tiles * cut.blocks * perUnits))
      splits = min(32, TileMath.ceil(cut.blocks / min(wanted, cut.blocks)))
      longestKeys = min(longestKeys, TileMath.ceil(cut.blocks / splits) * cut.blockKeys)
    }
    let longest = prologue + longestKeys * (key + chain * (1.0 / 128))
    let ofUnits = tiles / units
    let shares = cut.areEqual ? TileMath.ceil(ofUnits) : ofUnits
    var make = TileMath.longer(shares * average, longest)
    let first = tiles > units ? 1 / ofUnits : 1
    make += tail * (1 - first) * longest

    // Bytes: the keys and values as they come, as they are cached, queries and outputs.
    let newElements = 2 * Double(work.sequences) * tokens * Double(work.keyHeads) * width
    let newBytes = newElements * 2
    let cacheBytes = newElements * work.elementBytes
    let heads = Double(work.sequences) * tokens * Double(work.queryHeads) * width
    let edgeBytes = heads * (work.elementBytes + 2)
    let missing = TileMath.missing(
      newBytes + cacheBytes + edgeBytes, cache: machine.cache, share: cacheShare)
    let reading = TileMath.secondsPerByte(
      missing: missing, memory: memory, speed: cacheSpeed, perBandwidth: perBandwidth)
    let traffic = (edgeBytes + cacheBytes) * reading
    let exposed = edges * first * edgeBytes * reading
    let parts = splits > 1 ? 8 * splits * heads * reading : 0
    var attention = TileMath.smoothLonger(make, traffic) + exposed + parts
    attention *= 1 + throttle * attention / (attention + throttleTime)

    let threads = min(Double(work.keyHeads) * width, 512)
    let writing =
      write * Double(work.sequences) * tokens * threads * perUnits * (1.0 / 512)
      + (newBytes + cacheBytes) * reading
    let before = launch + (splits > 1 ? combine : 0)
    return KernelParts(
      launch: before, compute: make, memory: traffic + exposed + parts + writing,
      total: before + writing + attention)
  }
}

/// How prompts are cut into tiles.
struct PromptTiles {
  /// Queries of a tile, padded.
  var rows: Double
  /// Keys that a tile takes at a time.
  var blockKeys: Double
  /// Blocks of the last tile of a prompt.
  var blocks: Double
  var tiles: Double
  /// Whether each prompt has one tile for a head, so that all take the same time.
  var areEqual: Bool
  /// Of all tiles, with what pads the blocks.
  var meanKeys: Double
  /// Of the longest tile.
  var mostKeys: Double

  init(_ work: AttentionPromptLaw.Work) {
    let tokens = Double(work.tokens)
    let group = Double(work.queryHeads) / Double(work.keyHeads)
    rows = work.library.promptRows(width: work.width)
    blockKeys = work.library.promptBlock(width: work.width, elementBytes: work.elementBytes)
    var packed = 1.0
    if group > 1 {
      if work.library.packsPrompts {
        // The query heads of a key head share tiles where that pads clearly less.
        // Alone, queries fill tokens / (rows tiles) of their tiles, together tokens group / (...).
        let perRows = 1 / rows
        let alone = group * TileMath.ceil(tokens * perRows)
        let together = TileMath.ceil(tokens * group * perRows)
        if tokens <= rows || together < 0.9 * alone { packed = group }
      } else if work.tokens == 1 {
        packed = group
      }
    }
    if work.library.packsPrompts && work.width <= 128 && tokens * group <= 64 { rows = 64 }
    let heads = Double(packed > 1 ? work.keyHeads : work.queryHeads)
    let perHead = TileMath.ceil(tokens * packed / rows)
    tiles = Double(work.sequences) * heads * perHead
    areEqual = perHead == 1
    blocks = TileMath.ceil(tokens / blockKeys)
    let padding = blocks * blockKeys - tokens
    let keysOfTile = rows / packed
    mostKeys = work.window.map { min(tokens, Double($0) + keysOfTile) } ?? tokens
    guard perHead > 1 else {
      meanKeys = min(tokens, mostKeys)
      return
    }
    let triangle = min(
      TileMath.sumOfCeilings(keysOfTile / blockKeys, count: perHead), perHead * blocks)
    var sum = triangle * blockKeys - padding
    if mostKeys < tokens {
      // Tiles beyond the window all see as many keys.
      let growing = TileMath.floor(mostKeys / keysOfTile)
      sum = min(sum, growing * (growing + 1) / 2 * keysOfTile + (perHead - growing) * mostKeys)
    }
    meanKeys = sum / perHead
  }
}
