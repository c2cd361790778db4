extension GroupedGEMMLaw {
  /// ``GroupedGEMMLaw`` on one machine: rates as seconds for each byte, operation and tile.
  public struct Prepared: PreparedKernelLaw {
    let law: GroupedGEMMLaw
    let perUnit: Double
    /// Of a unit, for two operations; of the whole machine at its peak.
    let perPair: Double
    let peakPair: Double
    /// Of a unit, for an operand byte: where k is a multiple of 16 numbers, and where not.
    let perOperandByte: Double
    let perUnalignedByte: Double
    /// Of a unit, for a weight that it widens.
    let perWidened: Double
    let perMemoryByte: Double
    let perForeignTile: Double
    /// B: of the cache, what keeps bytes that are used again.
    let kept: Double
    /// Of the whole machine: to widen a weight, and to add a product, without matrix units.
    let perVectorWidened: Double
    let perVectorProduct: Double

    init(_ law: GroupedGEMMLaw, _ machine: KernelMachine) {
      self.law = law
      let units = Double(machine.units)
      perUnit = 1 / units
      peakPair = 2 / machine.peak
      perPair = peakPair * units / law.tensorFraction
      perOperandByte = units / (law.feed * machine.peak)
      perUnalignedByte = perOperandByte / law.unalignedShare
      perWidened = 1 / law.widening
      perMemoryByte = 1 / (law.memoryFraction * machine.bandwidth)
      perForeignTile = law.foreignTile * perUnit
      kept = law.cacheShare * machine.cache
      perVectorWidened = 1 / (law.vectorWidening * units)
      perVectorProduct = 1 / (law.vectorRate * units)
    }

    public func parts(of work: GroupedGEMMWork) -> KernelParts {
      guard work.load.rows > 0 || work.foreign.rows > 0 else {
        return KernelParts(launch: law.launch, compute: 0, memory: 0, total: law.launch)
      }
      let two = GroupedPair(
        n: (work.n, work.n), k: (work.k, work.k), weightBytes: work.weightBytes,
        activationBytes: work.activationBytes, outputBytes: work.outputBytes,
        tiling: work.tiling, weightReuse: work.weightReuse)
      let parts = self.parts(of: two, work.load, work.foreign)
      return KernelParts(
        launch: law.launch, compute: parts.compute[0], memory: parts.memory[0],
        total: law.launch + parts.total[0])
    }

    /// Two multiplications of the same rows, the one as fast as both, each without its launch; there
    /// must be rows.
    @inline(__always)
    func parts(
      of work: GroupedPair, _ load: GroupedLoad, _ foreign: GroupedLoad
    ) -> (compute: Pair, memory: Pair, total: Pair) {
      // Bytes.
      let one = work.n * work.k * work.weightBytes
      let square = one * one
      let again = one * square * load.rows / (law.rowsOfPass * (square + kept * kept))
      var missed = 1.0
      if work.weightReuse < .infinity {
        let distance = work.weightReuse / kept
        let square = distance * distance
        missed -= 1 / (1 + square * square)
      }
      let rest = load.rows * (work.k * work.activationBytes + work.n * work.outputBytes)
      let memory = (load.active * missed * one + again + rest) * perMemoryByte

      var fastest = FastestPair()
      if work.tiling == .vector {
        // Without matrix units: each weight is widened once, each product added on its own.
        let widening = load.active * perVectorWidened * (work.n * work.k)
        let products = load.rows * perVectorProduct * (work.n * work.k)
        fastest.compute =
          larger(widening, products) + law.overlapLoss * smaller(widening, products)
      } else {
        fastest = considered(work, load, foreign, memory)
      }
      // Power slows what is long.
      var compute = fastest.compute
      compute +=
        law.slowdown * smaller(compute, fastest.use) * compute / (compute + law.slowdownTime)
      let total =
        larger(compute, memory) + law.overlapLoss * smaller(compute, memory) + fastest.extra
      return (compute, memory, total)
    }

    /// The fastest tiles; where no rows are elsewhere, that is where arithmetic is shortest.
    @inline(__always)
    private func considered(
      _ work: GroupedPair, _ load: GroupedLoad, _ foreign: GroupedLoad, _ memory: Pair
    ) -> FastestPair {
      let hasForeign = foreign.rows > 0
      let perByte =
        Pair(
          work.isAligned.0 ? perOperandByte : perUnalignedByte,
          work.isAligned.1 ? perOperandByte : perUnalignedByte)
      let perActivation = work.activationBytes * perByte
      let perWeight = work.weightBytes * perByte
      let widening = work.weightBytes < 1 ? perWidened : 0
      let latency = work.k * law.columnLatency
      let blocks = SIMD4(load.blocks16, load.blocks32, load.blocks64, load.blocks128)
      let foreignBlocks = SIMD4(
        foreign.blocks16, foreign.blocks32, foreign.blocks64, foreign.blocks128)
      let (heights, narrow, wide) = work.tiling.tiles
      let acrossNarrow = ceiling(work.n * (1 / narrow))
      let acrossWide = ceiling(work.n * (1 / wide))
      var fastest = FastestPair()
      for index in heights {
        // As many tiles that are higher cannot be faster.
        if !hasForeign && index > heights.lowerBound && blocks[index] == blocks[index - 1] {
          continue
        }
        let height = Double(16 << index)
        for isWide in 0...1 {
          let width = isWide == 1 ? wide : narrow
          let across = isWide == 1 ? acrossWide : acrossNarrow
          let tiles = blocks[index] * across
          let rounds = tiles * perUnit
          let waited = rounds + law.roundShare * (ceiling(rounds) - rounds)
          let column = larger(
            height * perActivation + width * perWeight,
            Pair(repeating: max(height * width * perPair, width * widening)))
          let time = larger(
            larger(Pair(1, 1), waited) * (law.epilogue + work.k * column), latency)
          let use = tiles * (height * width)
          if hasForeign {
            let compute = load.rows > 0 ? time : .zero
            let extra = foreignBlocks[index] * perForeignTile * across
            let total =
              larger(compute, memory) + law.overlapLoss * smaller(compute, memory) + extra
            fastest.take(total, compute: compute, use: use, extra: extra)
          } else {
            fastest.take(time, use: use)
          }
        }
      }
      if !hasForeign { fastest.compute = fastest.order }
      fastest.use *= work.k * peakPair
      return fastest
    }
  }
}

/// Two multiplications for each expert of a group, which have the same rows.
struct GroupedPair {
  var n: Pair
  var k: Pair
  /// Whether operands come at full speed.
  var isAligned: (Bool, Bool)
  var weightBytes: Double
  var activationBytes: Double
  var outputBytes: Double
  var tiling: GroupedTiling
  var weightReuse: Double

  @inline(__always)
  init(
    n: (Int, Int), k: (Int, Int), weightBytes: Double, activationBytes: Double,
    outputBytes: Double, tiling: GroupedTiling, weightReuse: Double
  ) {
    self.n = Pair(Double(n.0), Double(n.1))
    self.k = Pair(Double(k.0), Double(k.1))
    isAligned = (k.0 & 15 == 0 || weightBytes < 1, k.1 & 15 == 0 || weightBytes < 1)
    self.weightBytes = weightBytes
    self.activationBytes = activationBytes
    self.outputBytes = outputBytes
    self.tiling = tiling
    self.weightReuse = weightReuse
  }
}

/// The fastest of the tiles considered so far for each of two multiplications; of equal ones the
/// first.
private struct FastestPair {
  /// What is to be least.
  var order = Pair(repeating: .infinity)
  var compute = Pair.zero
  var use = Pair.zero
  var extra = Pair.zero

  @inline(__always)
  mutating func take(_ order: Pair, use: Pair) {
    let isBetter = order .< self.order
    self.order = smaller(self.order, order)
    self.use.replace(with: use, where: isBetter)
  }

  @inline(__always)
  mutating func take(_ order: Pair, compute: Pair, use: Pair, extra: Pair) {
    let isBetter = order .< self.order
    self.order = smaller(self.order, order)
    self.compute.replace(with: compute, where: isBetter)
    self.use.replace(with: use, where: isBetter)
    self.extra.replace(with: extra, where: isBetter)
  }
}

extension GroupedTiling {
  /// Heights, as powers of two times 16, and two widths.
  @inline(__always)
  fileprivate var tiles: (heights: Range<Int>, narrow: Double, wide: Double) {
    switch self {
    case .best: (0..<4, 64, 128)
    case .widened: (0..<3, 64, 128)
    case .narrow: (0..<1, 32, 32)
    case .square: (2..<3, 64, 64)
    case .vector: (0..<0, 64, 64)
    }
  }
}
