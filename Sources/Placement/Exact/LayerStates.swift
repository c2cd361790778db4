/// All ways to place the experts of one layer, and which of them are the same up to names.
///
/// Groups of a node, and nodes, may be renamed in all layers at once without changing any cost; where some
/// of a node's groups share a way out of it, these with one another. Of each set of states that renaming
/// turns into one another one is its *representative*: the one in which nodes, ways out, and groups appear
/// in order.
struct LayerStates {
  let experts: Int
  /// `[state][expert]`, in the order of the numbers they spell.
  private(set) var groups: [UInt8] = []
  /// The states that are representatives.
  private(set) var representatives: [Int] = []
  /// Of each state, as a position in ``representatives``.
  private(set) var representative: [Int32] = []

  var count: Int { groups.count / experts }

  /// - Throws: ``ExactPlacementError/tooManyStates(atLeast:most:)``.
  init(of problem: PlacementProblem, most: Int) throws(ExactPlacementError) {
    experts = problem.experts
    guard problem.groups <= 64, experts <= 64 else {
      throw .tooManyStates(atLeast: most, most: most)
    }
    var room = [Int](repeating: problem.slotsPerGroup, count: problem.groups)
    var state = [UInt8](repeating: 0, count: experts)
    try enumerate(0, &state, &room, most)
    var position: [ArraySlice<UInt8>: Int32] = [:]
    for index in 0..<count {
      let state = self[index]
      let canonical = Self.renaming(state, problem)
      if canonical.elementsEqual(state) {
        position[ArraySlice(canonical)] = Int32(representatives.count)
        representatives.append(index)
      }
      // Representatives spell the least number of their set, so they have been seen.
      representative.append(position[ArraySlice(canonical)] ?? 0)
    }
  }

  subscript(index: Int) -> ArraySlice<UInt8> { groups[index * experts..<(index + 1) * experts] }

  private mutating func enumerate(
    _ expert: Int, _ state: inout [UInt8], _ room: inout [Int], _ most: Int
  ) throws(ExactPlacementError) {
    guard expert < experts else {
      guard count < most else { throw .tooManyStates(atLeast: most, most: most) }
      groups += state
      return
    }
    for group in room.indices where room[group] > 0 {
      room[group] -= 1
      state[expert] = UInt8(group)
      try enumerate(expert + 1, &state, &room, most)
      room[group] += 1
    }
  }

  /// The state with nodes, and groups of nodes, named in order of appearance.
  static func renaming(_ state: ArraySlice<UInt8>, _ problem: PlacementProblem) -> [UInt8] {
    let names = names(state, problem)
    return state.map { names[Int($0)] }
  }

  /// The new name of each group; groups without experts get what is left in order.
  static func names(_ state: ArraySlice<UInt8>, _ problem: PlacementProblem) -> [UInt8] {
    let sharedWay = problem.countsSets ? problem.exchange.groupsPerWayOut : 1
    // Groups of a node, and of one of several ways out of it.
    var widths = [problem.groupsPerNode]
    if 1 < sharedWay, sharedWay < problem.groupsPerNode { widths.append(sharedWay) }
    // Ways out of as many groups are alike, others are not.
    let areUneven = widths.count > 1 && problem.groupsPerNode % sharedWay > 0
    if areUneven { widths.removeLast() }
    // The new first group of each such block, and how much of it has names.
    var starts = widths.map { [Int](repeating: -1, count: (problem.groups + $0 - 1) / $0) }
    var taken = starts.map { $0.map { _ in 0 } }
    var (all, names) = (0, [Int](repeating: -1, count: problem.groups))
    func name(_ group: Int) {
      guard names[group] < 0 else { return }
      for level in widths.indices where starts[level][group / widths[level]] < 0 {
        let block = group / widths[level]
        if level == 0 {
          starts[level][block] = all
          all += widths[level]
        } else {
          let outer = group / widths[level - 1]
          starts[level][block] = starts[level - 1][outer] + taken[level - 1][outer]
          taken[level - 1][outer] += widths[level]
        }
      }
      let last = widths.count - 1
      let block = group / widths[last]
      names[group] = starts[last][block] + (areUneven ? group % widths[0] : taken[last][block])
      taken[last][block] += 1
    }
    for group in state { name(Int(group)) }
    for group in 0..<problem.groups { name(group) }
    return names.map { UInt8($0) }
  }
}
