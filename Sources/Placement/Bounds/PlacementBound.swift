/// What no placement of a problem can cost less than: a proven lower bound, in seconds.
///
///     let bound = try PlacementBound(of: problem, threads: 2)
///     let gap = found.cost.total / bound.total - 1
///
/// Work is bounded layer by layer (``LoadBound``), traffic pair by pair and level by level: with U the
/// bound on what stays in a group or in a node (``TrafficBound``), a token costs
///
///     across Σ W - (across - inside) U_node - inside U_group
///
/// Both hang together through the excess δ of a layer's slowest group over the mean: less balance may
/// let more traffic stay, by the slopes of the traffic bounds, but costs δ itself. The bound takes the
/// δ of each layer that is worst for it; as it is linear in δ, that is at one end.
///
/// Home traffic: a token of k experts goes to at least k / slots groups, rounded up, and to no fewer
/// than k less the pairs of its experts that share a group; the co-activation that can stay in groups
/// is bounded like traffic from a layer to itself. What these numbers cost on mean ports is convex, as a
/// layer takes the slower of two ways; what lies below it everywhere, and touches it where the bounds of a
/// layer are, is linear (``HomePrice/tangent(groups:nodes:)``).
///
/// With redundant copies the bound holds for placements with the given number of copies of each
/// expert, whose tokens choose among them evenly, or return home and choose the nearest
/// (``NearestBound``); for other choices only the mean of the work is bounded, and of communication
/// nothing (``covers``). Pinned and forbidden places are not used: they can only cost more.
public struct PlacementBound: Sendable, Hashable {
  /// Seconds of the slowest groups, `[layer]`, less what their imbalance could save in traffic.
  public let layerWork: [Double]
  /// Seconds of communication, `[pair of layers]` for transitions, then `[layer]` for home traffic.
  public let communicationSeconds: [Double]
  /// Whether it holds only for the given numbers of copies.
  public let isOfChosenCopies: Bool
  /// What it says something of, for the problem's choice among copies.
  public let covers: Coverage

  public enum Coverage: String, Sendable, Hashable {
    /// Work and communication.
    case everything
    /// Nothing but the mean of the work: no more is known for this choice.
    case meanWork = "mean-work"
  }

  public var work: Double { layerWork.reduce(0, +) }
  public var communication: Double { communicationSeconds.reduce(0, +) }
  /// No less than the mean work, which every placement has.
  public var total: Double { max(meanWork, work + communication) }
  private let meanWork: Double

  /// - Parameters:
  ///   - copies: of each expert, `[layer][expert]`; one each where `nil`.
  ///   - threads: change nothing but the time.
  ///   - cache: of bounds that other problems may share.
  /// - Throws: ``PlacementProblemError`` where a table or a place is wrong.
  public init(
    of problem: PlacementProblem, copies: [[Int]]? = nil,
    effort: TrafficBound.Effort = TrafficBound.Effort(), threads: Int = 1,
    cache: TrafficBoundCache = TrafficBoundCache()
  ) throws(PlacementProblemError) {
    try problem.check()
    meanWork = Self.meanWork(problem).reduce(0, +)
    let isBound = !problem.hasReplicas || (problem.replicaChoice == .even && copies != nil)
    let isNearest =
      problem.hasReplicas && problem.replicaChoice == .nearest && problem.traffic == .home
    if isNearest, let copies {
      let bound = NearestBound(
        of: problem, copies: copies, effort: effort, threads: threads, cache: cache)
      (isOfChosenCopies, covers) = (true, .everything)
      (layerWork, communicationSeconds) = (bound.layerWork, bound.homeSeconds)
      return
    }
    isOfChosenCopies = problem.hasReplicas && isBound
    covers = isBound ? .everything : .meanWork
    guard isBound else {
      layerWork = Self.meanWork(problem)
      communicationSeconds = []
      return
    }
    let table = CopyTable(problem, copies)
    let loads = (0..<problem.layers).map { table.load($0) }
    var terms = TrafficTerm.all(problem, table)
    let dearest = terms.map(\.secondsPerToken).max() ?? 0
    let balanced = cache.answers(
      to: terms.map { $0.question(effort.of($0, dearest), isBalanced: true) }, threads: threads)
    for index in terms.indices { terms[index].bound = balanced[index] }
    TrafficTerm.price(&terms, problem)
    // A bound without slopes is better where imbalance cannot be avoided and slopes are steep: where more
    // excess would pay it is always tried, elsewhere where slopes cost most, until none is better. To stop
    // early proves less, nothing wrong.
    let cost = terms.map { $0.secondsOfSlopes(loads) }
    let isSteep = terms.map(\.isSteep)
    /// Whether any of them is better.
    @discardableResult func tryWithoutSlopes(_ indices: [Int]) -> Bool {
      let plain = cache.answers(
        to: indices.map { terms[$0].question(effort.of(terms[$0], dearest), isBalanced: false) },
        threads: threads)
      return zip(indices, plain).reduce(false) {
        Self.choose($1.1, for: $1.0, &terms, loads) || $0
      }
    }
    tryWithoutSlopes(terms.indices.filter { isSteep[$0] })
    var doubtful = terms.indices.filter {
      !isSteep[$0] && cost[$0] > Self.leastDoubt * terms[$0].secondsPerToken * terms[$0].most
    }
    doubtful.sort { (-cost[$0], $0) < (-cost[$1], $1) }
    while !doubtful.isEmpty {
      let next = Array(doubtful.prefix(Self.doubtfulAtATime))
      doubtful.removeFirst(next.count)
      guard tryWithoutSlopes(next) else { break }
    }
    layerWork = Self.work(terms, loads)
    communicationSeconds = Self.communication(terms, problem)
  }

  private static func meanWork(_ problem: PlacementProblem) -> [Double] {
    let mean = problem.meanWork
    return (0..<problem.layers).map { layer in
      mean[layer * problem.experts..<(layer + 1) * problem.experts].reduce(0, +)
        / Double(problem.groups)
    }
  }

  /// Of a term's traffic: slopes that cost less are left alone.
  private static let leastDoubt = 1e-3
  /// Enough for all threads of most machines; on 64 groups with 32 copies more of 288 slots none of 114
  /// terms is better without slopes, and the first eight say so.
  private static let doubtfulAtATime = 8

  /// Takes the bound without slopes for a term, where it proves more; whether it does.
  private static func choose(
    _ plain: TrafficBound, for index: Int, _ terms: inout [TrafficTerm], _ loads: [LayerLoad]
  ) -> Bool {
    let layers = terms[index].layers
    let before = work(terms, loads, of: layers) + terms[index].seconds
    var changed = terms
    changed[index].bound = plain
    guard work(changed, loads, of: layers) + changed[index].seconds > before else { return false }
    terms = changed
    return true
  }

  /// The work of some layers, less what their excess could save: the worst of both ends.
  private static func work(_ terms: [TrafficTerm], _ loads: [LayerLoad]) -> [Double] {
    var slopes = [Double](repeating: 0, count: loads.count)
    for term in terms {
      slopes[term.left] += term.leftSlope
      slopes[term.right] += term.rightSlope
    }
    return zip(loads, slopes).map { load, slope in
      min(
        load.bound.slowest - slope * (load.bound.slowest - load.bound.mean),
        load.most - slope * (load.most - load.bound.mean))
    }
  }

  private static func work(
    _ terms: [TrafficTerm], _ loads: [LayerLoad], of layers: Set<Int>
  ) -> Double {
    let work = work(terms, loads)
    return layers.sorted().reduce(0) { $0 + work[$1] }
  }

  private static func communication(
    _ terms: [TrafficTerm], _ problem: PlacementProblem
  ) -> [Double] {
    let pairs = problem.countsTransitions ? problem.layers - 1 : 0
    var seconds = [Double](repeating: 0, count: pairs + (problem.countsSets ? problem.layers : 0))
    for term in terms { seconds[term.isHome ? pairs + term.left : term.left] += term.seconds }
    return seconds
  }
}
