/// How long latent attention takes over prompts: each head's keys and values are computed from the
/// latent vectors, then every token sees itself and those before it.
///
///     key = 2 rows (key + rope + value) units / (arithmetic peak) + rows / scores
///     make = longer(sum of tiles / units, longest) + tail (1 - units / tiles) longest
///     device = launch + token (tokens) + make slow + passes (keys, values) / bandwidth + expansion
///     t = longer(host, device)
///
/// as ``AttentionPromptLaw`` has it, with a multiplication before it that expands tokens x latent
/// into tokens x heads x (key + value), and copies that put the rope part into every head's key.
public struct LatentPromptLaw: KernelLaw {
  /// Equal prompts with nothing before them.
  public struct Work: Hashable, Sendable {
    public var library: LatentLibrary
    public var sequences: Int
    /// Tokens of each.
    public var tokens: Int
    public var heads: Int
    public var shape: LatentShape
    /// Whether the host launches kernel after kernel; a recorded graph does not.
    public var isLaunchedByHost: Bool

    @inlinable
    public init(
      _ library: LatentLibrary, sequences: Int, tokens: Int, heads: Int,
      shape: LatentShape = .deepSeek, isLaunchedByHost: Bool = false
    ) {
      self.library = library
      self.sequences = sequences
      self.tokens = tokens
      self.heads = heads
      self.shape = shape
      self.isLaunchedByHost = isLaunchedByHost
    }
  }

  /// s: of the host, for all kernels of one call.
  public var host: Double
  /// s: of the device, with everything that comes once.
  public var launch: Double
  /// s: for each token, whatever its heads: its latent vector is stored and read again.
  public var token: Double
  /// s: a tile's prologue and epilogue.
  public var tile: Double
  /// Of the peak rate, by whole tiles.
  public var arithmetic: Double
  /// Exponentials a second and compute unit.
  public var scores: Double
  /// s: more for each 128 keys of a tile that has a unit for itself.
  public var chain: Double
  /// Of the longest tile, that which the units wait for at the end.
  public var tail: Double
  /// Of the memory's bandwidth.
  public var memory: Double
  /// Over all heads' keys and values, of all kernels together.
  public var passes: Double
  /// Of the peak rate, by the expansion.
  public var projection: Double
  /// The share of time that a very long kernel loses to its power limit.
  public var throttle: Double
  /// s: how long a kernel is when it loses half of that.
  public var throttleTime: Double

  public static let terms: [KernelTerm] = [
    KernelTerm(
      "host", unit: "s", meaning: "of the host, for all kernels of a call", start: 1.8e-4,
      in: 1e-5...1e-3),
    KernelTerm(
      "launch", unit: "s", meaning: "of the device, what comes once", start: 8e-5,
      in: 1e-6...3e-4),
    KernelTerm(
      "token", unit: "s", meaning: "for each token, whatever its heads", start: 3e-9,
      in: 1e-11...1e-6),
    KernelTerm(
      "tile", unit: "s", meaning: "a tile's prologue and epilogue", start: 2e-6,
      in: 1e-8...3e-5),
    KernelTerm(
      "arithmetic", unit: "1", meaning: "of the peak rate, by whole tiles", start: 0.9,
      in: 0.1...1, lending: .byUnit),
    KernelTerm(
      "scores", unit: "1/s", meaning: "exponentials a second and compute unit", start: 8e10,
      in: 5e9...2e12),
    KernelTerm(
      "chain", unit: "s", meaning: "more for 128 keys of a tile alone on its unit",
      start: 1e-7, in: 1e-10...5e-6),
    KernelTerm(
      "tail", unit: "1", meaning: "of the longest tile, what the units wait for at the end",
      start: 1, in: 0.001...3),
    KernelTerm(
      "memory", unit: "1", meaning: "of the memory's bandwidth", start: 0.85, in: 0.2...1),
    KernelTerm(
      "passes", unit: "1", meaning: "over all heads' keys and values", start: 3.5, in: 0.3...20),
    KernelTerm(
      "projection", unit: "1", meaning: "of the peak rate, by the expansion", start: 0.7,
      in: 0.1...1),
    KernelTerm(
      "throttle", unit: "1", meaning: "time that very long kernels lose to the power limit",
      start: 0.15, in: 1e-4...0.6, lending: .byPower),
    KernelTerm(
      "throttle-time", unit: "s", meaning: "how long kernels are that lose half of it",
      start: 0.04, in: 1e-4...0.5),
  ]

  public init(_ values: [Double]) {
    func value(_ index: Int) -> Double {
      index < values.count ? values[index] : Self.terms[index].start
    }
    host = value(0)
    launch = value(1)
    token = value(2)
    tile = value(3)
    arithmetic = value(4)
    scores = value(5)
    chain = value(6)
    tail = value(7)
    memory = value(8)
    passes = value(9)
    projection = value(10)
    throttle = value(11)
    throttleTime = value(12)
  }

  public var values: [Double] {
    [
      host, launch, token, tile, arithmetic, scores, chain, tail, memory, passes, projection,
      throttle,
      throttleTime,
    ]
  }

  /// O(1), no allocation.
  public func parts(of work: Work, on machine: KernelMachine) -> KernelParts {
    guard work.sequences > 0, work.tokens > 0, work.heads > 0 else { return .none }
    let units = Double(machine.units)
    let sequences = Double(work.sequences)
    let tokens = Double(work.tokens)
    let heads = Double(work.heads)
    let rows = work.library.promptRows
    let products = Double(work.shape.key + work.shape.rope + work.shape.value)

    let key = 2 * rows * products * units / (arithmetic * machine.peak) + rows / scores
    let block = 128.0
    let perHead = TileMath.ceil(tokens / rows)
    let blocks = TileMath.ceil(tokens / block)
    let tiles = sequences * heads * perHead
    var meanKeys = tokens
    if perHead > 1 {
      let sum = min(TileMath.sumOfCeilings(rows / block, count: perHead), perHead * blocks)
      meanKeys = (sum * block - (blocks * block - tokens)) / perHead
    }
    let average = tile + meanKeys * key
    let longest = tile + tokens * (key + chain / 128)
    let shares = perHead == 1 ? TileMath.ceil(tiles / units) : tiles / units
    var make = TileMath.longer(shares * average, longest)
    if tiles > units { make += tail * (1 - units / tiles) * longest }
    make *= 1 + throttle * make / (make + throttleTime)

    let expanded = Double(work.shape.key + work.shape.value) * Double(work.shape.latent)
    let copies = passes * sequences * tokens * heads * products * 2 / memory
    let weights = heads * expanded * 2
    let traffic = (copies + weights) / machine.bandwidth
    let expansion = 2 * sequences * tokens * heads * expanded / (projection * machine.peak)
    let device = launch + token * sequences * tokens + make + traffic + expansion
    return KernelParts(
      launch: work.isLaunchedByHost ? max(host, launch) : launch,
      compute: make + expansion, memory: traffic,
      total: work.isLaunchedByHost ? TileMath.longer(host, device) : device)
  }
}
