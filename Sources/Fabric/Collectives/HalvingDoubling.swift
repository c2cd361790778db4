/// Recursive halving and doubling (Rabenseifner, "Optimization of collective reduction operations",
/// ICCS 2004; Thakur, Rabenseifner and Gropp, "Optimization of collective communication operations in
/// MPICH", 2005), for any number of ranks.
///
/// Of n ranks, m = 2^floor(log2 n) do it. The others are folded in first: of each of the first n - m
/// pairs of neighbours, the even one gives its data to the odd one and gets the result from it in the
/// end. The m ranks, at places 0 to m - 1, own one block of the buffer each.
struct HalvingDoubling {
  /// The rank at each of the m places.
  let ranks: [Int]
  /// The ranks that are folded in, and the place of the neighbour of each.
  let folded: [(rank: Int, place: Int)]
  /// What each place's block is of the ranks: its own and that of the one folded in.
  let parts: [Range<Int>]

  init(rankCount n: Int) {
    var m = 1
    while m <= n / 2 { m *= 2 }
    let extra = n - m
    ranks = (0..<m).map { $0 < extra ? 2 * $0 + 1 : $0 + extra }
    folded = (0..<extra).map { (rank: 2 * $0, place: $0) }
    parts = (0..<m).map { $0 < extra ? 2 * $0..<2 * $0 + 2 : $0 + extra..<$0 + extra + 1 }
  }

  /// The number of steps of a halving or a doubling: log2 m.
  var depth: Int { ranks.count.trailingZeroBitCount }
}

extension PhasedTransfers {
  /// All-reduce: log2 m steps of halving in which partners exchange the half that is the other's, S/2,
  /// S/4, ... S/m, and as many of doubling back: 2S(m - 1)/m sent by each rank. Where n is no power
  /// of two, the folded ranks send and get S besides, in two more steps.
  ///
  /// - Parameter blocks: The bytes of each of the m blocks.
  mutating func addHalvingDoublingAllReduce(_ plan: HalvingDoubling, blocks: [Double]) {
    let whole = blocks.reduce(0, +)
    addFold(plan) { _ in whole }
    addHalving(plan, blocks)
    addDoubling(plan, blocks)
    addUnfold(plan) { _ in whole }
  }

  /// Reduce-scatter by halving: S(m - 1)/m sent by each of the m ranks; the folded ones give all that
  /// they have and get their part.
  ///
  /// - Parameter parts: The bytes that each of the n ranks ends with.
  mutating func addHalvingReduceScatter(_ plan: HalvingDoubling, parts: [Double]) {
    let whole = parts.reduce(0, +)
    addFold(plan) { _ in whole }
    addHalving(plan, plan.parts.map { parts[$0].reduce(0, +) })
    addUnfold(plan) { parts[$0] }
  }

  /// All-gather by doubling: S(m - 1)/m sent by each of the m ranks; the folded ones give their part
  /// and get all others.
  ///
  /// - Parameter parts: The bytes that each of the n ranks begins with.
  mutating func addDoublingAllGather(_ plan: HalvingDoubling, parts: [Double]) {
    let whole = parts.reduce(0, +)
    addFold(plan) { parts[$0] }
    addDoubling(plan, plan.parts.map { parts[$0].reduce(0, +) })
    addUnfold(plan) { whole - parts[$0] }
  }

  private mutating func addFold(_ plan: HalvingDoubling, _ bytes: (_ rank: Int) -> Double) {
    for (rank, place) in plan.folded { add(bytes(rank), from: rank, to: plan.ranks[place]) }
    endPhase()
  }

  private mutating func addUnfold(_ plan: HalvingDoubling, _ bytes: (_ rank: Int) -> Double) {
    for (rank, place) in plan.folded { add(bytes(rank), from: plan.ranks[place], to: rank) }
    endPhase()
  }

  /// Partners at distance m/2, m/4, ... 1: each sends the blocks of the partner's half.
  private mutating func addHalving(_ plan: HalvingDoubling, _ blocks: [Double]) {
    for bit in (0..<plan.depth).reversed() {
      addExchange(plan, distance: 1 << bit) { _, partner in
        blocks[(partner >> bit) << bit..<((partner >> bit) + 1) << bit].reduce(0, +)
      }
    }
  }

  /// Partners at distance 1, 2, ... m/2: each sends the blocks that it has.
  private mutating func addDoubling(_ plan: HalvingDoubling, _ blocks: [Double]) {
    for bit in 0..<plan.depth {
      addExchange(plan, distance: 1 << bit) { place, _ in
        blocks[(place >> bit) << bit..<((place >> bit) + 1) << bit].reduce(0, +)
      }
    }
  }

  private mutating func addExchange(
    _ plan: HalvingDoubling, distance: Int, _ bytes: (_ place: Int, _ partner: Int) -> Double
  ) {
    for place in plan.ranks.indices {
      let partner = place ^ distance
      add(bytes(place, partner), from: plan.ranks[place], to: plan.ranks[partner])
    }
    endPhase()
  }
}
