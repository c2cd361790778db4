/// What all chains of a search read: copies as items, with the traffic between them and their work,
/// in single precision and in the order that the innermost loops want.
///
/// A layer has `items` of them, one for each slot: the copies of its experts, each with an equal share
/// of the expert's tokens, and where there are more slots than copies empty ones. Rows are padded to
/// whole vectors of eight.
///
/// Unchecked because these are pointers to bare memory: `init` writes them, all threads read them after.
final class SearchTables: @unchecked Sendable {
  typealias Row = SIMD8<Float>

  let problem: PlacementProblem
  let layers: Int
  let items: Int
  let groups: Int
  let nodes: Int
  let slots: Int
  /// Vectors in a row of items, and in a row of windows.
  let rowVectors: Int
  let windowVectors: Int

  /// The expert of each item, `[layer][item]`; -1 of an empty slot.
  let expertOf: UnsafeMutablePointer<Int32>
  /// Copies of the item's expert.
  let copiesOf: UnsafeMutablePointer<Int32>
  /// Tokens to the items of the next layer, `[pair][item][next]`, and the same transposed.
  let forward: UnsafeMutablePointer<Row>
  let backward: UnsafeMutablePointer<Row>
  /// Tokens that take two items of a layer, `[layer][item][other]`; one row of zeros without home
  /// traffic.
  let together: UnsafeMutablePointer<Row>
  /// Work of an item in each window, `[layer][item][window]`.
  let work: UnsafeMutablePointer<Row>
  /// `[window]`, zeros behind the last one.
  let windowWeights: UnsafeMutablePointer<Row>
  /// The groups' mean load, weighted over windows, `[layer]`: no placement is faster.
  let meanLoad: UnsafeMutablePointer<Float>
  /// Eight items of neighbouring layers, or of the same for home traffic, that an item has most
  /// traffic with, as `layer * items + item`: `[layer][item][8]`, -1 where there are fewer.
  let partners: UnsafeMutablePointer<Int32>
  /// Whether an item may be on a group, `[layer][item][group]`; a single one without
  /// ``hasPlaces``.
  let allowed: UnsafeMutablePointer<Bool>
  let hasPlaces: Bool
  let hasReplicas: Bool
  let hasTransitions: Bool
  /// Whether the slowest pair of groups counts; the tables then hold the mean over the pairs that are
  /// slow, which leads quick starts the right way.
  let isBottleneck: Bool
  let hasHome: Bool
  /// Of all pairs of layers, those that stay included.
  let tokensBetweenLayers: Double
  /// Seconds saved by a token that stays between layers in a group rather than its node only, and in a
  /// node.
  let groupSaving: Float
  let nodeSaving: Float

  /// Whether searches look for balance at nearly the same cost.
  var weighsBalance: Bool { hasHome && !hasReplicas }

  deinit {
    forward.deallocate()
    backward.deallocate()
    together.deallocate()
    work.deallocate()
    windowWeights.deallocate()
    meanLoad.deallocate()
    partners.deallocate()
    expertOf.deallocate()
    copiesOf.deallocate()
    allowed.deallocate()
  }

  /// - Parameters:
  ///   - counts: copies of each expert, `[layer][expert]`.
  ///   - workWeight: of a second of work over one of traffic.
  init(_ problem: PlacementProblem, counts: [[Int]], workWeight: Double = 1) {
    self.problem = problem
    layers = problem.layers
    groups = problem.groups
    nodes = problem.nodes
    slots = problem.slotsPerGroup
    items = problem.slotsPerLayer
    rowVectors = (items + 7) / 8
    windowVectors = (problem.windows + 7) / 8
    hasHome = problem.countsSets
    hasTransitions = problem.countsTransitions && layers > 1
    isBottleneck = hasTransitions && problem.objective == .bottleneck
    tokensBetweenLayers = hasTransitions ? problem.transitions.reduce(0, +) : 0
    let far = problem.nodes > 1 ? problem.groupsPerNode : 1
    let pairs = isBottleneck ? problem.groups * max(1, problem.groups - far) : 1
    groupSaving = Float(problem.secondsInNode / Double(pairs))
    nodeSaving = Float((problem.secondsAcrossNodes - problem.secondsInNode) / Double(pairs))
    var (expertOf, copiesOf): ([Int32], [Int32]) = ([], [])
    for layer in counts {
      let owners = layer.indices.flatMap { Array(repeating: Int32($0), count: layer[$0]) }
      let empty = [Int32](repeating: -1, count: items - owners.count)
      expertOf += owners + empty
      copiesOf += owners.map { Int32(layer[Int($0)]) } + empty.map { _ in 1 }
    }
    self.expertOf = zeros(expertOf.count, 0)
    self.expertOf.update(from: expertOf, count: expertOf.count)
    self.copiesOf = zeros(copiesOf.count, 0)
    self.copiesOf.update(from: copiesOf, count: copiesOf.count)
    hasReplicas = copiesOf.contains { $0 > 1 }
    let pairRows = hasTransitions ? (layers - 1) * items : 1
    forward = zeros(pairRows * rowVectors, Row(repeating: 0))
    backward = zeros(pairRows * rowVectors, Row(repeating: 0))
    together = zeros((hasHome ? layers * items : 1) * rowVectors, Row(repeating: 0))
    work = zeros(layers * items * windowVectors, Row(repeating: 0))
    windowWeights = zeros(windowVectors, Row(repeating: 0))
    for window in 0..<problem.windows {
      windowWeights[window / 8][window % 8] = Float(problem.windowWeights[window])
    }
    meanLoad = zeros(layers, 0)
    let places = Self.allowed(problem, expertOf, items: items)
    hasPlaces = !places.isEmpty
    allowed = zeros(places.count, true)
    allowed.update(from: places, count: places.count)
    partners = zeros(layers * items * 8, -1)
    fillWork(workWeight)
    for layer in 0..<layers {
      let sum = (layer * items..<(layer + 1) * items).reduce(0) { $0 + meanWork(ofItem: $1) }
      meanLoad[layer] = Float(sum / Double(problem.groups))
    }
    if hasTransitions { fillTransitions() }
    if hasHome { fillTogether() }
    findPartners()
  }

  private func fillWork(_ weight: Double) {
    let table = layers * problem.experts
    for place in 0..<layers * items where expertOf[place] >= 0 {
      let cell = place / items * problem.experts + Int(expertOf[place])
      for window in 0..<problem.windows {
        work[place * windowVectors + window / 8][window % 8] =
          Float(weight * problem.seconds(window * table + cell, share: 1 / Double(copiesOf[place])))
      }
    }
  }

  private func fillTransitions() {
    let row = rowVectors * 8
    forward.withMemoryRebound(to: Float.self, capacity: (layers - 1) * items * row) { forward in
      backward.withMemoryRebound(to: Float.self, capacity: (layers - 1) * items * row) { backward in
        for pair in 0..<layers - 1 {
          for this in 0..<items {
            let expert = Int(expertOf[pair * items + this])
            guard expert >= 0 else { continue }
            let from = (pair * problem.experts + expert) * problem.experts
            let share = 1 / Float(copiesOf[pair * items + this])
            for next in 0..<items {
              let other = (pair + 1) * items + next
              guard expertOf[other] >= 0 else { continue }
              let tokens =
                Float(problem.transitions[from + Int(expertOf[other])]) * share
                / Float(copiesOf[other])
              forward[(pair * items + this) * row + next] = tokens
              backward[(pair * items + next) * row + this] = tokens
            }
          }
        }
      }
    }
  }

  private func fillTogether() {
    guard let sets = problem.setsSent else { return }
    let row = rowVectors * 8
    together.withMemoryRebound(to: Float.self, capacity: layers * items * row) { together in
      for layer in 0..<layers {
        let pairs = sets.coactivation(layer: layer, experts: problem.experts)
        for this in 0..<items {
          for other in 0..<items {
            let (a, b) = (layer * items + this, layer * items + other)
            guard expertOf[a] >= 0, expertOf[b] >= 0 else { continue }
            let tokens = pairs[Int(expertOf[a]) * problem.experts + Int(expertOf[b])]
            together[a * row + other] = Float(tokens) / Float(copiesOf[a] * copiesOf[b])
          }
        }
      }
    }
  }

  private static func allowed(
    _ problem: PlacementProblem, _ expertOf: [Int32], items: Int
  ) -> [Bool] {
    if problem.pinned.isEmpty && problem.forbidden.isEmpty { return [] }
    var allowed = [Bool](repeating: true, count: problem.layers * items * problem.groups)
    for place in problem.forbidden {
      for item in place.layer * items..<(place.layer + 1) * items
      where expertOf[item] == place.expert {
        allowed[item * problem.groups + place.group] = false
      }
    }
    // Each pin takes a copy of its own.
    var taken = Set<Int>()
    for (index, place) in problem.pinned.enumerated() {
      if problem.pinned[..<index].contains(place) { continue }
      let copy = (place.layer * items..<(place.layer + 1) * items).first {
        expertOf[$0] == place.expert && !taken.contains($0)
      }
      guard let copy else { continue }
      taken.insert(copy)
      for group in 0..<problem.groups where group != place.group {
        allowed[copy * problem.groups + group] = false
      }
    }
    return allowed
  }

  private func findPartners() {
    let row = rowVectors * 8
    for place in 0..<layers * items {
      let layer = place / items
      var best: [(weight: Float, place: Int32)] = []
      func look(_ rows: UnsafeMutablePointer<Row>, _ index: Int, _ otherLayer: Int) {
        rows.withMemoryRebound(to: Float.self, capacity: (index + 1) * row) { rows in
          for other in 0..<items {
            let weight = rows[index * row + other]
            guard weight > (best.count < 8 ? 0 : best[7].weight) else { continue }
            let rank = best.firstIndex { $0.weight < weight } ?? best.count
            best.insert((weight, Int32(otherLayer * items + other)), at: rank)
            if best.count > 8 { best.removeLast() }
          }
        }
      }
      if hasTransitions, layer + 1 < layers { look(forward, place, layer + 1) }
      if hasTransitions, layer > 0 { look(backward, place - items, layer - 1) }
      if hasHome { look(together, place, layer) }
      for (rank, partner) in best.enumerated() { partners[place * 8 + rank] = partner.place }
    }
  }
}
