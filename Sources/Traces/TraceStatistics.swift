import Foundation
import Statistics

/// What a trace looks like to whoever places, caches or prefetches its experts.
///
///     let statistics = trace.statistics()
///     print(statistics.loadSkew.mean, statistics.prefillReuse ?? 0)
public struct TraceStatistics: Hashable, Sendable {
  /// The most loaded expert's load over the mean load of its layer's experts.
  public struct LoadSkew: Hashable, Sendable {
    /// Averaged over layers.
    public let mean: Double
    /// Of the worst layer.
    public let worst: Double
  }

  /// What this layer's experts tell about the next layer's. Over all pairs of an expert chosen by a
  /// token at a layer and one chosen by the same token at the next, averaged over layers.
  public struct NextLayer: Hashable, Sendable {
    /// H(next), the entropy of the choices of the next layer, in bits.
    public let entropy: Double
    /// H(next | this), the same when one expert of this layer is known, in bits.
    public let conditionalEntropy: Double
    /// The share of the next layer's choices that fall on the likeliest 20 % (rounded to whole
    /// experts, at least one) of candidates, ranked by how often they follow the known expert.
    public let coverage: Double

    /// What one known expert takes off the entropy: their mutual information, in bits.
    public var entropyDrop: Double { entropy - conditionalEntropy }
  }

  /// The most loaded of several devices over their mean, when each layer's experts lie in order over
  /// them; averaged over layers and over batches of random tokens.
  public struct DeviceImbalance: Hashable, Sendable {
    public let devices: Int
    /// Tokens in a batch: of decode, where the trace has any, else of prefill.
    public let batch: Int
    public let mean: Double
  }

  public let loadSkew: LoadSkew
  /// The share of a prefill token's experts that the token before it in its sequence chose too, at
  /// the same layer; `nil` where no prefill token has one before it.
  public let prefillReuse: Double?
  /// The same for decode tokens.
  public let decodeReuse: Double?
  /// `nil` for a single layer, or above 1024 experts.
  public let nextLayer: NextLayer?
  public let deviceImbalance: DeviceImbalance
}

extension RoutingTrace {
  /// Measures the trace; the definitions stand with ``TraceStatistics``.
  ///
  /// - Parameters:
  ///   - transitionTokens: the entropies look at so many tokens, evenly spaced, where there are more.
  ///   - batches: so many random batches are drawn for the device imbalance.
  public func statistics(
    transitionTokens: Int = 60_000, devices: Int = 8, batch: Int = 128, batches: Int = 200,
    seed: UInt64 = 0
  ) -> TraceStatistics {
    let reuse = reuse()
    return TraceStatistics(
      loadSkew: loadSkew(), prefillReuse: reuse.prefill, decodeReuse: reuse.decode,
      nextLayer: transitions(tokens: transitionTokens).map { $0.statistics() },
      deviceImbalance: deviceImbalance(
        devices: min(devices, shape.experts), batch: batch, batches: batches, seed: seed))
  }

  func loadSkew() -> TraceStatistics.LoadSkew {
    let counts = expertTokens(in: 0..<tokens)
    let experts = shape.experts
    let skews = (0..<shape.layers).map { layer in
      let loads = counts[layer * experts..<(layer + 1) * experts]
      return Double(loads.max() ?? 0) * Double(experts) / Double(tokens * shape.topK)
    }
    return .init(mean: mean(of: skews) ?? 0, worst: skews.max() ?? 0)
  }

  func reuse() -> (prefill: Double?, decode: Double?) {
    var prefill = ReuseCount()
    var decode = ReuseCount()
    let row = shape.selectionsPerToken
    withIDs { ids in
      for sequence in sequences where sequence.tokens > 1 {
        let boundary = max(sequence.firstToken + 1, sequence.decode.lowerBound)
        prefill.add(ids, sequence.firstToken + 1..<boundary, row: row, topK: shape.topK)
        decode.add(ids, boundary..<sequence.decode.upperBound, row: row, topK: shape.topK)
      }
    }
    return (prefill.share, decode.share)
  }

  func deviceImbalance(
    devices: Int, batch: Int, batches: Int, seed: UInt64
  ) -> TraceStatistics.DeviceImbalance {
    var stream = RandomStream(seed: seed, name: "trace statistics: batches")
    let isDecode = decodeTokens > 0
    let ranges = sequences.map { isDecode ? $0.decode : $0.prefill }.filter { !$0.isEmpty }
    let pool = ranges.reduce(0) { $0 + $1.count }
    var ends: [Int] = []
    for range in ranges { ends.append((ends.last ?? 0) + range.count) }
    let slots = try? ExpertSlots.contiguous(
      layers: shape.layers, experts: shape.experts, devices: devices, homeDevice: [0])
    guard let slots, pool > 0 else { return .init(devices: devices, batch: batch, mean: 1) }
    var counts = RoutingCounts(slots: slots, keepsMatrix: false)
    var total = 0.0
    for _ in 0..<batches {
      var chosen = ReplayBatch()
      chosen.appendRank(
        (0..<batch).map { _ in
          let place = stream.below(pool)
          let index = ends.partitioningIndex { $0 > place }
          return ranges[index].upperBound - (ends[index] - place)
        })
      guard (try? counts.replay(chosen, of: self)) != nil else { break }
      total += counts.meanDeviceSkew()
    }
    return .init(devices: devices, batch: batch, mean: total / Double(max(batches, 1)))
  }
}

extension RoutingCounts {
  /// Max over mean of the devices' selections (not copies), averaged over layers.
  fileprivate func meanDeviceSkew() -> Double {
    var sum = 0.0
    for layer in 0..<slots.layers {
      var loads = [UInt32](repeating: 0, count: slots.devices)
      for slot in 0..<slots.slotCount[layer] {
        let index = layer * slots.slotsPerLayer + slot
        loads[Int(slots.deviceOfSlot[index])] += slotTokens[index]
      }
      let all = loads.reduce(0, +)
      if all > 0 { sum += Double(loads.max() ?? 0) * Double(slots.devices) / Double(all) }
    }
    return sum / Double(slots.layers)
  }
}

/// Experts that a token shares with the one before it, of how many.
private struct ReuseCount {
  var kept = 0
  var all = 0
  var share: Double? { all == 0 ? nil : Double(kept) / Double(all) }

  /// Adds tokens that all have one before them.
  mutating func add(_ ids: ExpertIDs, _ tokens: Range<Int>, row: Int, topK: Int) {
    guard !tokens.isEmpty else { return }
    all += tokens.count * row
    var before = [UInt16](repeating: 0, count: row)
    ids.forEachBlock(tokens: tokens.lowerBound - 1..<tokens.lowerBound, row: row) { ids, _ in
      before = Array(ids)
    }
    ids.forEachBlock(tokens: tokens, row: row) { ids, _ in
      guard let base = ids.baseAddress else { return }
      before.withUnsafeBufferPointer { before in
        guard let before = before.baseAddress else { return }
        kept += shared(base, before, row, topK)
      }
      for start in stride(from: row, to: ids.count, by: row) {
        kept += shared(base + start, base + start - row, row, topK)
      }
      before = Array(ids.suffix(row))
    }
  }
}

/// How many ids of a token's layers are among those of the same layer of another token.
private func shared(
  _ token: UnsafePointer<UInt16>, _ other: UnsafePointer<UInt16>, _ row: Int, _ topK: Int
) -> Int {
  var count = 0
  var layer = 0
  while layer < row {
    var choice = layer
    while choice < layer &+ topK {
      let id = token[choice]
      var rival = layer
      while rival < layer &+ topK {
        count &+= other[rival] == id ? 1 : 0
        rival &+= 1
      }
      choice &+= 1
    }
    layer &+= topK
  }
  return count
}

extension Array {
  /// The first index for which `isAfter` holds, in an array where it holds from there on.
  fileprivate func partitioningIndex(where isAfter: (Element) -> Bool) -> Int {
    var (low, high) = (0, count)
    while low < high {
      let middle = (low + high) / 2
      if isAfter(self[middle]) { high = middle } else { low = middle + 1 }
    }
    return low
  }
}
