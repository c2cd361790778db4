extension GEMMLaw {
  /// ``GEMMLaw`` on one machine: rates as seconds for each byte, operation and row, and the tiles in
  /// pairs, so that a query reads a short list and does not branch over tiles.
  public struct Prepared: PreparedKernelLaw {
    let law: GEMMLaw
    let units: Double
    let perUnit: Double
    /// Of a unit, for an operand byte and for an output byte.
    let perOperandByte: Double
    let perOutputByte: Double
    /// For each byte from memory, from the cache, and of a split's partial outputs.
    let perMissedByte: Double
    let perCachedByte: Double
    let perPartialByte: Double
    /// Shares of the cache that keeps what is used again, for each byte.
    let perKeptByte: Double
    let perQuantisedRow: Double
    let perQuantisedByte: Double
    let tiles: [GEMMTilePair]

    init(_ law: GEMMLaw, _ machine: KernelMachine) {
      self.law = law
      units = Double(machine.units)
      perUnit = 1 / units
      perOperandByte = units / (law.feed * machine.peak)
      perOutputByte = units / (machine.bandwidth * law.store)
      perMissedByte = 1 / (machine.bandwidth * law.memoryFraction)
      perCachedByte = 1 / (machine.bandwidth * law.cacheMultiple)
      perPartialByte = law.reductionTraffic * perCachedByte
      perKeptByte = 1 / (law.cacheShare * machine.cache)
      perQuantisedRow = law.quantisedRow / units
      perQuantisedByte = 1 / (law.quantiseFraction * machine.bandwidth)
      tiles = GEMMTilePair.all(law, machine)
    }

    /// Which of ``tiles`` may be the fastest.
    @inline(__always)
    private func candidates(_ tiling: GEMMTiling, _ m: Double, _ n: Double) -> Range<Int> {
      switch tiling {
      case .best:
        // The smallest tiles are not where even large ones fill the units four times.
        let isLarge = m >= 256 && n >= 256 && m * n >= 65_536 * units
        return (isLarge ? 1 : 0)..<(m > 128 ? 5 : m > 64 ? 4 : 2)
      case .compiled: return 5..<(m > 64 ? 10 : 8)
      case .byRows:
        let only = m > 128 ? 13 : m > 64 ? 12 : m <= 16 || n <= 1280 ? 10 : 11
        return only..<only + 1
      }
    }

    public func parts(of work: GEMMWork) -> KernelParts {
      let (m, n, k) = (Double(work.m), Double(work.n), Double(work.k))
      let outputs = m * n * work.outputBytes
      let weights = n * k * work.weightBytes
      let others = m * k * work.activationBytes + outputs
      let cached =
        weights * Self.hits(work.weightReuse * perKeptByte)
        + others * Self.hits((weights + others) * perKeptByte)
      let memory =
        law.prologue + (weights + others - cached) * perMissedByte + cached * perCachedByte
      let perActivation = work.activationBytes * perOperandByte
      let perWeight = work.weightBytes * perOperandByte
      let perOutput = work.outputBytes * perOutputByte
      let splitTraffic = outputs * perPartialByte
      let blocks = k * (1.0 / 64)
      let mostSplits = whole(min(blocks, 64))
      let leastExtra = law.reduction + 2 * splitTraffic
      let depth = ceiling(blocks) * 64
      // The fastest so far; of equal ones the first.
      var best = Double.infinity
      var compute = 0.0
      var use = 0.0
      var extra = 0.0
      for index in candidates(work.tiling, m, n) {
        let isAsked = (n .> tiles[index].aboveColumns) .& (m .> tiles[index].aboveRows)
        guard any(isAsked) else { continue }
        let count =
          ceiling(m * tiles[index].perHeight) * tiles[index].cluster
          * ceiling(n * tiles[index].perWidth)
        let column = larger(
          tiles[index].multiplication,
          tiles[index].height * perActivation + tiles[index].width * perWeight)
        let end = tiles[index].end + tiles[index].outputs * perOutput
        let start = tiles[index].start
        // With all of k.
        let rounds = count * perUnit
        let waited = larger(Pair(1, 1), rounds + law.roundShare * (ceiling(rounds) - rounds))
        let time = larger(
          start + waited * (end + depth * column), Pair(repeating: depth * law.columnLatency)
        ).replacing(with: .infinity, where: .!isAsked)
        let shorter = min(time[0], time[1])
        let total = together(shorter, memory)
        if total < best {
          let lane = time[1] < time[0] ? 1 : 0
          best = total
          compute = shorter
          use = count[lane] * tiles[index].peak[lane] * depth
          extra = 0
        }
        // With k split so that the tiles fill the units once, and twice: where that would gain if it
        // kept all units busy.
        guard work.tiling == .best else { continue }
        let busy = start + end + k * rounds * column
        for lane in 0...1 where isAsked[lane] && count[lane] < units {
          guard together(busy[lane], memory) + leastExtra < best else { continue }
          let filling = units / count[lane]
          let split = smaller(whole(Pair(filling, 2 * filling)), Pair(mostSplits, mostSplits))
          let depth = ceiling(blocks / split) * 64
          let rounds = count[lane] * perUnit * split
          let waited = larger(Pair(1, 1), rounds + law.roundShare * (ceiling(rounds) - rounds))
          let time = larger(
            start + waited * (end[lane] + depth * column[lane]), depth * law.columnLatency)
          for part in 0...1 where split[part] >= 2 {
            let added = law.reduction + split[part] * splitTraffic
            let total = together(time[part], memory) + added
            guard total < best else { continue }
            best = total
            compute = time[part]
            use = count[lane] * split[part] * tiles[index].peak[lane] * depth[part]
            extra = added
          }
        }
      }
      // Power slows what is long.
      compute += law.slowdown * min(compute, use) * compute / (compute + law.slowdownTime)
      var fixed = law.launch
      if work.quantises {
        fixed += m * perQuantisedRow + m * k * (2 + work.activationBytes) * perQuantisedByte
      }
      return KernelParts(
        launch: fixed, compute: compute, memory: memory,
        total: max(law.host, fixed + (together(compute, memory) + extra)))
    }

    /// Arithmetic and traffic as they overlap.
    @inline(__always)
    private func together(_ compute: Double, _ memory: Double) -> Double {
      max(compute, memory) + law.overlapLoss * min(compute, memory)
    }

    /// Of bytes that are used again after `distance` shares of the cache.
    @inline(__always)
    private static func hits(_ distance: Double) -> Double {
      let square = distance * distance
      return 1 / (1 + square * square)
    }
  }
}

/// Two tiles that a library has, with what a machine needs for them.
struct GEMMTilePair: Hashable, Sendable {
  var height: Pair
  var width: Pair
  /// Tiles for each row of outputs that run together or not at all, and so many.
  let perHeight: Pair
  let cluster: Double
  let perWidth: Pair
  let outputs: Pair
  /// s: of a unit's arithmetic, for a column of k.
  let multiplication: Pair
  /// s: of the whole machine at its peak, for a column of k.
  let peak: Pair
  /// s: before a unit's first tile, and after each.
  let start: Double
  let end: Double
  /// Rows and columns of outputs above which each is taken.
  let aboveRows: Pair
  let aboveColumns: Pair

  /// - Parameters:
  ///   - cluster: So many tiles in a column of tiles run together or not at all.
  ///   - alternates: Whether a unit's next tile begins while one ends.
  private init(
    _ law: GEMMLaw, _ machine: KernelMachine, _ height: Pair, _ width: Pair,
    aboveRows: Pair = Pair(0, 0), aboveColumns: Pair, cluster: Double = 1, alternates: Bool = true
  ) {
    self.height = height
    self.width = width
    perHeight = 1 / (height * cluster)
    self.cluster = cluster
    perWidth = 1 / width
    outputs = height * width
    peak = outputs * (2 / machine.peak)
    multiplication = peak * (Double(machine.units) / law.tensorFraction)
    start = alternates ? law.prologue : 0
    end = alternates ? law.epilogue : law.prologue
    self.aboveRows = aboveRows
    self.aboveColumns = aboveColumns
  }

  /// Of ``GEMMTiling/best`` five pairs, of ``GEMMTiling/compiled`` five, of ``GEMMTiling/byRows`` four
  /// with one tile each: up to 16 rows, to 64, to 128, and above. A tile is taken where the output has
  /// more columns than the next narrower one, and more rows.
  static func all(_ law: GEMMLaw, _ machine: KernelMachine) -> [GEMMTilePair] {
    func pair(
      _ height: Pair, _ width: Pair, aboveRows: Pair = Pair(0, 0), _ aboveColumns: Pair
    ) -> GEMMTilePair {
      GEMMTilePair(
        law, machine, height, width, aboveRows: aboveRows,
        aboveColumns: aboveColumns)
    }
    func only(
      _ height: Double, _ width: Double, cluster: Double = 1, alternates: Bool
    ) -> GEMMTilePair {
      GEMMTilePair(
        law, machine, Pair(height, height), Pair(width, width),
        aboveColumns: Pair(0, .infinity), cluster: cluster, alternates: alternates)
    }
    return [
      pair(Pair(64, 64), Pair(32, 64), Pair(0, 32)),
      pair(Pair(64, 64), Pair(128, 256), Pair(64, 128)),
      pair(Pair(128, 128), Pair(64, 128), Pair(0, 64)),
      pair(Pair(128, 256), Pair(256, 64), aboveRows: Pair(64, 128), Pair(128, 0)),
      pair(Pair(256, 256), Pair(128, 128), Pair(64, .infinity)),

      pair(Pair(64, 64), Pair(16, 32), Pair(0, 16)),
      pair(Pair(64, 64), Pair(64, 96), Pair(32, 64)),
      pair(Pair(64, 128), Pair(128, 32), aboveRows: Pair(0, 64), Pair(96, 0)),
      pair(Pair(128, 128), Pair(64, 96), Pair(32, 64)),
      pair(Pair(128, 128), Pair(128, 160), Pair(96, 128)),

      only(16, 64, alternates: false),
      only(64, 64, alternates: false),
      only(64, 128, cluster: 2, alternates: true),
      only(128, 128, cluster: 2, alternates: true),
    ]
  }
}
