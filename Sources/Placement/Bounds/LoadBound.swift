/// How fast the slowest group of a layer can be, at best: a proven bound on its work.
public struct LoadBound: Sendable, Hashable {
  /// The groups' mean work, which the slowest one cannot be below.
  public let mean: Double
  /// The least work of the slowest group; no less than ``mean``.
  public let slowest: Double

  /// - Parameters:
  ///   - work: of each copy of the layer, in any order, not negative.
  ///   - slots: copies that each group holds; where there are fewer copies some slots stay empty.
  ///
  /// The largest of: the mean; for each j < κ what the group has that holds j + 1 of the Γj + 1
  /// heaviest copies (there is one): the lightest j + 1 of those, and the κ - j - 1 lightest of all
  /// slots; and for each j ≤ κ the mean of those groups that hold j copies or more, of which there are
  /// at least m = (copies - (j - 1)Γ) / (κ - j + 1), rounded up, where that is above 0: they have the jm
  /// lightest copies, or heavier ones. O(copies log copies).
  public init(work: [Double], groups: Int, slots: Int) {
    precondition(groups > 0 && work.count <= groups * slots)
    let empty = [Double](repeating: 0, count: groups * slots - work.count)
    let sorted = (work + empty).sorted(by: >)
    mean = sorted.reduce(0, +) / Double(groups)
    var slowest = mean
    for shared in 0..<slots {
      let heavy = sorted[(groups * shared - shared)...(groups * shared)].reduce(0, +)
      let light = sorted.suffix(slots - shared - 1).reduce(0, +)
      slowest = max(slowest, heavy + light)
    }
    for held in stride(from: 1, through: slots, by: 1) {
      let beyond = work.count - (held - 1) * groups
      guard beyond > 0 else { break }
      let full = (beyond + slots - held) / (slots - held + 1)
      let lightest = sorted[..<work.count].suffix(held * full).reduce(0, +)
      slowest = max(slowest, lightest / Double(full))
    }
    self.slowest = slowest
  }
}

extension LoadBound {
  /// The mean over windows of each window's slowest group, at least; no less than the bound of the
  /// mean work, because a mean of largest values is no less than the largest mean.
  ///
  /// - Parameters:
  ///   - windows: `[window][copy]`.
  ///   - weights: of the windows; their sum is 1.
  public init(windows: [[Double]], weights: [Double], groups: Int, slots: Int) {
    var meanWork = [Double](repeating: 0, count: windows.first?.count ?? 0)
    var slowest = 0.0
    for (work, weight) in zip(windows, weights) {
      for (index, seconds) in work.enumerated() { meanWork[index] += weight * seconds }
      slowest += weight * LoadBound(work: work, groups: groups, slots: slots).slowest
    }
    let ofMean = LoadBound(work: meanWork, groups: groups, slots: slots)
    mean = ofMean.mean
    self.slowest = max(slowest, ofMean.slowest)
  }
}
