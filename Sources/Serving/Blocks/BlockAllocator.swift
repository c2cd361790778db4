import Traces
import Units

/// Deals the blocks of one layer after the other to devices near the weights: arXiv 2510.05497, algorithm
/// 1.
///
/// Experts are taken by their tokens, fewest first. The candidates for an expert's blocks are the devices
/// that hold it or a duplicate, and the nearest neighbours of those that hold it; of these only the least
/// loaded ones where there is a limit. Each block goes to the candidate that would be done first: its
/// load so far and what the block adds. That is arithmetic; with the first block of the expert there
/// its weights out of memory; and where the device does not hold them, their way. Of equal ones the
/// nearest to a holder wins, then the first.
struct BlockAllocator {
  private let costs: BlockCosts
  private let limit: Int?
  /// Of the layer at hand, by device.
  private var loads: [Seconds]
  private var hasBlock: [Bool]

  init(_ costs: BlockCosts, candidates: Int?, devices: Int) {
    self.costs = costs
    limit = candidates
    loads = [Seconds](repeating: .zero, count: devices)
    hasBlock = [Bool](repeating: false, count: devices)
  }

  /// A device that may get blocks of the expert at hand.
  private struct Candidate {
    var device: Int
    var distance: Double
    /// Of the weights' way from the nearest holder; zero where they are here.
    var way: Seconds
  }

  /// O(experts log experts + blocks x candidates).
  ///
  /// - Parameters:
  ///   - tokens: Of each expert of the layer.
  ///   - hosts: `[expert][copy]`: who holds it.
  ///   - hasDuplicate: Whether a device (second) has a duplicate of an expert (first).
  mutating func deal(
    layer: Int, tokens: ArraySlice<UInt32>, hosts: [[Int]], _ distances: DeviceDistances,
    hasDuplicate: (Int, Int) -> Bool, into dealing: inout BlockDealing
  ) {
    for device in loads.indices { loads[device] = .zero }
    let first = tokens.startIndex
    let order = hosts.indices.filter { tokens[first + $0] > 0 }
      .sorted { (tokens[first + $0], $0) < (tokens[first + $1], $1) }
    for expert in order {
      let all = Int(tokens[first + expert])
      let candidates = candidates(hosts[expert], distances) { hasDuplicate(expert, $0) }
      for candidate in candidates { hasBlock[candidate.device] = false }
      for block in 0..<dealing.blocks(layer: layer, expert: expert) {
        let work = costs.perToken * Double(dealing.tokens(inBlock: block, of: all))
        let chosen = best(candidates, work)
        loads[chosen.device] = loads[chosen.device] + added(chosen, work)
        hasBlock[chosen.device] = true
        dealing[layer: layer, expert: expert, block: block] = chosen.device
      }
    }
  }

  private func candidates(
    _ holders: [Int], _ distances: DeviceDistances, hasDuplicate: (Int) -> Bool
  ) -> [Candidate] {
    var found: [Candidate] = []
    func add(_ device: Int) {
      guard !found.contains(where: { $0.device == device }) else { return }
      let holder = distances.nearest(of: holders, to: device)
      var candidate = Candidate(device: device, distance: 0, way: .zero)
      if holder != device {
        candidate.distance = distances[holder, device]
        if !hasDuplicate(device) {
          candidate.way =
            Seconds(distances.readLatency(of: device, from: holder))
            + costs.expertBytes / distances.bandwidth(from: holder, to: device)
        }
      }
      found.append(candidate)
    }
    holders.forEach(add)
    for device in loads.indices where hasDuplicate(device) { add(device) }
    for holder in holders { distances.neighbours[holder].forEach(add) }
    guard let limit, limit < found.count else { return found }
    found.sort {
      (loads[$0.device].value, $0.distance, $0.device)
        < (loads[$1.device].value, $1.distance, $1.device)
    }
    return Array(found.prefix(limit))
  }

  private func added(_ candidate: Candidate, _ work: Seconds) -> Seconds {
    hasBlock[candidate.device] ? work : work + costs.fromMemory + candidate.way
  }

  private func best(_ candidates: [Candidate], _ work: Seconds) -> Candidate {
    func key(_ candidate: Candidate) -> (Double, Double, Int) {
      let end = loads[candidate.device] + added(candidate, work)
      return (end.value, candidate.distance, candidate.device)
    }
    var best = candidates[0]
    for candidate in candidates.dropFirst() where key(candidate) < key(best) { best = candidate }
    return best
  }
}
