/// How long a kernel takes that does a few operations on each element of a row: a norm, rotary
/// positions, an activation, an addition, looking up embeddings.
///
///     t = launch + longer(row bytes / row rate, bytes / rate)
///
/// where a row is one token's elements, read and written, by one block of threads: few rows cannot
/// be faster than one of them. rate is the share of the memory's bandwidth that the kernel reaches,
/// or of the cache's while everything fits there.
public struct StreamingLaw: KernelLaw {
  public struct Work: Hashable, Sendable {
    /// Tokens.
    public var rows: Int
    /// B: read and written for each.
    public var rowBytes: Double

    @inlinable
    public init(rows: Int, rowBytes: Double) {
      self.rows = rows
      self.rowBytes = rowBytes
    }
  }

  /// s.
  public var launch: Double
  /// B/s: of one block of threads.
  public var row: Double
  /// Of the memory's bandwidth.
  public var memory: Double
  /// The cache's bandwidth over the memory's.
  public var cacheSpeed: Double
  /// Of the cache, that which holds what the launch before has left.
  public var cacheShare: Double

  public static let terms: [KernelTerm] = [
    KernelTerm("launch", unit: "s", meaning: "what comes once", start: 2e-6, in: 1e-7...5e-5),
    KernelTerm(
      "row", unit: "B/s", meaning: "of one block of threads", start: 1e10, in: 1e8...1e12),
    KernelTerm(
      "memory", unit: "1", meaning: "of the memory's bandwidth", start: 0.6, in: 0.05...1),
    KernelTerm(
      "cache-speed", unit: "1", meaning: "the cache's bandwidth over the memory's", start: 1,
      in: 0.05...8),
    KernelTerm(
      "cache-share", unit: "1", meaning: "of the cache, what keeps the last launch's bytes",
      start: 0.6, in: 0.1...0.98, scale: .linear),
  ]

  public init(_ values: [Double]) {
    func value(_ index: Int) -> Double {
      index < values.count ? values[index] : Self.terms[index].start
    }
    launch = value(0)
    row = value(1)
    memory = value(2)
    cacheSpeed = value(3)
    cacheShare = value(4)
  }

  public var values: [Double] { [launch, row, memory, cacheSpeed, cacheShare] }

  /// O(1), no allocation.
  public func parts(of work: Work, on machine: KernelMachine) -> KernelParts {
    let bytes = Double(work.rows) * work.rowBytes
    let missing = TileMath.missing(bytes, cache: machine.cache, share: cacheShare)
    let traffic =
      bytes
      * TileMath.secondsPerByte(
        missing: missing, memory: memory, speed: cacheSpeed, perBandwidth: 1 / machine.bandwidth)
    let one = work.rows > 0 ? work.rowBytes / row : 0
    return KernelParts(
      launch: launch, compute: 0, memory: traffic,
      total: launch + TileMath.longer(one, traffic))
  }
}
