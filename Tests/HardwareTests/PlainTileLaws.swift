import Foundation
import Hardware

/// The laws of tiles as their formulas stand, tile by tile, with nothing worked out beforehand: what
/// the fast ones must agree with.
struct PlainGEMM {
  var law: GEMMLaw
  var machine: KernelMachine

  func parts(of work: GEMMWork) -> KernelParts {
    let (m, n, k) = (Double(work.m), Double(work.n), Double(work.k))
    let weights = n * k * work.weightBytes
    let others = m * k * work.activationBytes + m * n * work.outputBytes
    func hits(_ distance: Double) -> Double {
      1 / (1 + pow(distance / (law.cacheShare * machine.cache), 4))
    }
    let cached = weights * hits(work.weightReuse) + others * hits(weights + others)
    let memory =
      law.prologue + (weights + others - cached) / (law.memoryFraction * machine.bandwidth)
      + cached / (law.cacheMultiple * machine.bandwidth)
    let found = tiles(work).map { tile in
      let time = tile.time
      return (tile, total: together(time, memory, law.overlapLoss) + tile.extra)
    }
    guard var best = found.first else {
      return KernelParts(launch: 0, compute: 0, memory: 0, total: 0)
    }
    for one in found where one.total < best.total { best = one }
    let compute = slowed(best.0.time, use: best.0.use, law.slowdown, law.slowdownTime)
    var fixed = law.launch
    if work.quantises {
      fixed += m * law.quantisedRow / Double(machine.units)
      fixed += m * k * (2 + work.activationBytes) / (law.quantiseFraction * machine.bandwidth)
    }
    let total = fixed + together(compute, memory, law.overlapLoss) + best.0.extra
    return KernelParts(
      launch: fixed, compute: compute, memory: memory, total: max(law.host, total))
  }

  private struct Tile {
    /// s: of all tiles, and of the whole machine at its peak for them.
    var time: Double
    var use: Double
    /// s: of adding up a split k.
    var extra: Double
  }

  /// In the order in which the first of equal ones is taken.
  private func tiles(_ work: GEMMWork) -> [Tile] {
    switch work.tiling {
    case .best:
      let isLarge =
        work.m >= 256 && work.n >= 256 && work.m * work.n >= 65_536 * machine.units
      // With the rows and the columns of outputs above which each is taken.
      let all = [
        (64, 32, 0, 0), (64, 64, 0, 32), (64, 128, 0, 64), (64, 256, 0, 128), (128, 64, 64, 0),
        (128, 128, 64, 64), (128, 256, 64, 128), (256, 64, 128, 0), (256, 128, 128, 64),
      ]
      return all.dropFirst(isLarge ? 2 : 0).filter { work.m > $0.2 && work.n > $0.3 }
        .flatMap { split(work, $0.0, $0.1) }
    case .byRows:
      if work.m <= 16 || work.m <= 64 && work.n <= 1280 {
        return [tile(work, 16, 64, alternates: false)]
      }
      if work.m <= 64 { return [tile(work, 64, 64, alternates: false)] }
      return [tile(work, work.m <= 128 ? 64 : 128, 128, cluster: 2)]
    case .compiled:
      let low = [(16, 0), (32, 16), (64, 32), (96, 64), (128, 96)]
      let high = [(32, 0), (64, 32), (96, 64), (128, 96), (160, 128)]
      return low.filter { work.n > $0.1 }.map { tile(work, 64, $0.0) }
        + (work.m > 64 ? high.filter { work.n > $0.1 }.map { tile(work, 128, $0.0) } : [])
    }
  }

  /// With all of k, and with k split so that the tiles fill the units once and twice.
  private func split(_ work: GEMMWork, _ height: Int, _ width: Int) -> [Tile] {
    let count = (work.m + height - 1) / height * ((work.n + width - 1) / width)
    let most = min(work.k / 64, 64)
    let parts = [machine.units / count, 2 * machine.units / count].map { min($0, most) }
    return [tile(work, height, width)]
      + (count < machine.units ? parts.filter { $0 >= 2 } : []).map {
        tile(work, height, width, parts: $0)
      }
  }

  private func tile(
    _ work: GEMMWork, _ height: Int, _ width: Int, cluster: Int = 1, alternates: Bool = true,
    parts: Int = 1
  ) -> Tile {
    let units = Double(machine.units)
    let (a, b) = (Double(height), Double(width))
    let column = max(
      2 * a * b * units / (law.tensorFraction * machine.peak),
      (a * work.activationBytes + b * work.weightBytes) * units / (law.feed * machine.peak))
    let store = a * b * work.outputBytes * units / (law.store * machine.bandwidth)
    let rows = (work.m + height * cluster - 1) / (height * cluster) * cluster
    let count = rows * ((work.n + width - 1) / width) * parts
    let depth = Double((work.k + 64 * parts - 1) / (64 * parts) * 64)
    let full = Double((count + machine.units - 1) / machine.units)
    let rounds = max(1, law.roundShare * full + (1 - law.roundShare) * Double(count) / units)
    let start = alternates ? law.prologue : 0
    let end = (alternates ? law.epilogue : law.prologue) + store
    let partial =
      Double(work.m) * Double(work.n) * work.outputBytes * law.reductionTraffic
      / (law.cacheMultiple * machine.bandwidth)
    return Tile(
      time: max(start + rounds * (end + depth * column), depth * law.columnLatency),
      use: Double(count) * 2 * a * b * depth / machine.peak,
      extra: parts > 1 ? law.reduction + Double(parts) * partial : 0)
  }
}

/// As ``PlainGEMM``, of experts.
struct PlainExperts {
  var law: FusedExpertsLaw
  var machine: KernelMachine

  func parts(of work: FusedExpertsWork) -> KernelParts {
    let (hidden, inner) = (Double(work.hidden), Double(work.intermediate))
    let (tokens, rows) = (Double(work.tokens), Double(work.tokens * work.chosen))
    var reuse = Double.infinity
    if work.isRepeated {
      reuse =
        work.load.active * 3 * inner * hidden * work.weightBytes + rows * (3 * inner + hidden) * 2
    }
    let up = multiplication(work, n: 2 * work.intermediate, k: work.hidden, reuse)
    let down = multiplication(work, n: work.hidden, k: work.intermediate, reuse)
    var bytes = rows * (3 * inner + hidden) * 2 + tokens * hidden * 2
    if work.activationBytes < 2 { bytes += 3 * (rows * inner + tokens * hidden) }
    let streams = bytes / (law.streamFraction * machine.bandwidth) + rows * law.sortedRow
    let launch = law.grouped.launch
    return KernelParts(
      launch: launch, compute: up.compute + down.compute, memory: up.memory + down.memory + streams,
      total: launch + up.total + down.total + streams)
  }

  private func multiplication(
    _ work: FusedExpertsWork, n: Int, k: Int, _ reuse: Double
  ) -> KernelParts {
    let law = law.grouped
    let (load, foreign) = (work.load, work.foreign)
    guard load.rows > 0 || foreign.rows > 0 else {
      return KernelParts(launch: 0, compute: 0, memory: 0, total: 0)
    }
    let units = Double(machine.units)
    let (width, depth) = (Double(n), Double(k))
    let one = width * depth * work.weightBytes
    let kept = law.cacheShare * machine.cache
    let again = one * load.rows / (law.rowsOfPass * (1 + pow(kept / one, 2)))
    let missed = 1 - 1 / (1 + pow(reuse / kept, 4))
    let rest = load.rows * (depth * work.activationBytes + width * 2)
    let memory =
      (load.active * one * missed + again + rest) / (law.memoryFraction * machine.bandwidth)

    let all: [(Double, Double, Double)] = [
      (16, load.blocks16, foreign.blocks16), (32, load.blocks32, foreign.blocks32),
      (64, load.blocks64, foreign.blocks64), (128, load.blocks128, foreign.blocks128),
    ]
    let (heights, widths): ([(Double, Double, Double)], [Double]) =
      switch work.tiling {
      case .best: (all, [64, 128])
      case .widened: (Array(all[..<3]), [64, 128])
      case .narrow: ([all[0]], [32])
      case .square: ([all[2]], [64])
      case .vector: ([], [])
      }
    let isNarrow = work.weightBytes < 1
    let feed = law.feed * (k % 16 == 0 || isNarrow ? 1 : law.unalignedShare)
    var best = (time: 0.0, use: 0.0, extra: 0.0, total: Double.infinity)
    for (a, here, elsewhere) in heights {
      for b in widths {
        let across = Double((n + Int(b) - 1) / Int(b))
        let column = max(
          2 * a * b * units / (law.tensorFraction * machine.peak),
          (a * work.activationBytes + b * work.weightBytes) * units / (feed * machine.peak),
          isNarrow ? b / law.widening : 0)
        let rounds = here * across / units
        // What a division left a billionth above a whole number is that number.
        let full = (rounds - 1e-9).rounded(.up)
        let waited = max(1, law.roundShare * full + (1 - law.roundShare) * rounds)
        let time =
          here > 0
          ? max(waited * (law.epilogue + depth * column), depth * law.columnLatency) : 0
        let extra = elsewhere * across * law.foreignTile / units
        let total = together(time, memory, law.overlapLoss) + extra
        if total < best.total {
          best = (time, here * across * 2 * a * b * depth / machine.peak, extra, total)
        }
      }
    }
    if work.tiling == .vector {
      let widening = load.active * width * depth / (law.vectorWidening * units)
      let products = load.rows * width * depth / (law.vectorRate * units)
      best = (together(widening, products, law.overlapLoss), 0, 0, 0)
    }
    let compute = slowed(best.time, use: best.use, law.slowdown, law.slowdownTime)
    return KernelParts(
      launch: 0, compute: compute, memory: memory,
      total: together(compute, memory, law.overlapLoss) + best.extra)
  }
}

/// The longer, and what of the shorter is not hidden.
private func together(_ compute: Double, _ memory: Double, _ loss: Double) -> Double {
  max(compute, memory) + loss * min(compute, memory)
}

/// Compute time with what power takes of long kernels.
private func slowed(_ time: Double, use: Double, _ slowdown: Double, _ after: Double) -> Double {
  time + slowdown * min(time, use) * time / (time + after)
}
