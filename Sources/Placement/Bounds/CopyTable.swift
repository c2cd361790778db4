/// The copies of a problem as if each were an expert, and empty slots as experts that nobody uses.
struct CopyTable {
  let problem: PlacementProblem
  /// Slots of a layer.
  let size: Int
  /// The expert of each copy, `[layer][copy]`, and what share of its tokens the copy has.
  private let experts: [[Int]]
  private let shares: [[Double]]

  init(_ problem: PlacementProblem, _ copies: [[Int]]?) {
    self.problem = problem
    size = problem.slotsPerLayer
    let counts =
      copies ?? Array(repeating: Array(repeating: 1, count: problem.experts), count: problem.layers)
    experts = counts.map { layer in
      layer.indices.flatMap { Array(repeating: $0, count: layer[$0]) }
    }
    shares = counts.map { layer in
      layer.flatMap { Array(repeating: 1 / Double(max(1, $0)), count: $0) }
    }
    precondition(
      experts.count == problem.layers && experts.allSatisfy { $0.count <= size },
      "copies fit the slots")
  }

  /// Work of each copy in a window.
  private func work(_ layer: Int, window: Int) -> [Double] {
    let first = (window * problem.layers + layer) * problem.experts
    return zip(experts[layer], shares[layer]).map { problem.seconds(first + $0, share: $1) }
  }

  /// Work of each slot's copy, the mean over windows; none of an empty slot.
  func work(_ layer: Int) -> [Double] {
    var mean = [Double](repeating: 0, count: size)
    for window in 0..<problem.windows {
      let weight = problem.windowWeights[window]
      for (slot, seconds) in work(layer, window: window).enumerated() {
        mean[slot] += weight * seconds
      }
    }
    return mean
  }

  func load(_ layer: Int) -> LayerLoad {
    let windows = (0..<problem.windows).map { work(layer, window: $0) }
    let bound = LoadBound(
      windows: windows, weights: problem.windowWeights, groups: problem.groups,
      slots: problem.slotsPerGroup)
    let heaviest = work(layer).sorted(by: >).prefix(problem.slotsPerGroup)
    return LayerLoad(bound: bound, most: max(bound.slowest, heaviest.reduce(0, +)))
  }

  /// A table of experts as one of slots, `[this][next]`.
  func spread(_ matrix: ArraySlice<Double>, from: Int, to: Int) -> [Double] {
    var result = [Double](repeating: 0, count: size * size)
    for (row, this) in experts[from].enumerated() {
      let first = matrix.startIndex + this * problem.experts
      for (column, next) in experts[to].enumerated() {
        result[row * size + column] =
          matrix[first + next] * shares[from][row] * shares[to][column]
      }
    }
    return result
  }
}

/// A layer's work on its slowest group: at least, and at most.
struct LayerLoad {
  let bound: LoadBound
  let most: Double
}
