import Placement

/// What no placement costs less than, beside a method's answer: as `place` and `compare` say it.
struct ProvenBound: Encodable {
  var seconds: Double
  /// Of the cost above the bound, over the bound; absent where the bound is nothing.
  var gap: Double?
  var isOfChosenCopies: Bool
  /// `mean-work` where nothing else is known of how tokens choose among copies.
  var covers: PlacementBound.Coverage.RawValue

  /// - Parameter cache: Of bounds that several answers' problems share.
  /// - Returns: Nil where the answer is no placement of the problem, as one from a file need not be.
  init?(
    of answer: PlacementAnswer, _ problem: PlacementProblem, _ threads: Int,
    _ cache: TrafficBoundCache = TrafficBoundCache()
  ) throws(PlacementProblemError) {
    guard problem.admits(answer.placement) else { return nil }
    guard !answer.isOptimal else {
      let least = answer.cost.total
      (seconds, gap) = (least, least > 0 ? 0 : nil)
      (isOfChosenCopies, covers) = (false, PlacementBound.Coverage.everything.rawValue)
      return
    }
    let copies = problem.hasReplicas ? answer.placement.hosts.map { $0.map(\.count) } : nil
    let bound = try PlacementBound(of: problem, copies: copies, threads: threads, cache: cache)
    // Both hold, so that the higher one does.
    seconds = max(bound.total, answer.bound ?? 0)
    gap = seconds > 0 ? answer.cost.total / seconds - 1 : nil
    (isOfChosenCopies, covers) = (bound.isOfChosenCopies, bound.covers.rawValue)
  }
}
