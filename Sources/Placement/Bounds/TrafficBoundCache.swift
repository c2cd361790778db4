import Synchronization
import Threading

/// Traffic bounds that were computed before, by everything that they depend on. Safe to share
/// between threads.
public final class TrafficBoundCache: Sendable {
  private let bounds = Mutex<[Question: TrafficBound]>([:])

  public init() {}

  /// Bounds that are kept.
  public var count: Int { bounds.withLock { $0.count } }

  /// What a bound depends on.
  struct Question: Hashable, Sendable {
    var traffic: [Double]
    var size: Int
    var slots: Int
    var left: [Double]
    var right: [Double]
    var effort: TrafficBound.Effort

    func answer() -> TrafficBound {
      TrafficBound(
        of: traffic, size: size, slots: slots, left: left, right: right, effort: effort)
    }
  }

  func answers(to questions: [Question], threads: Int) -> [TrafficBound] {
    let known = bounds.withLock { bounds in questions.map { bounds[$0] } }
    let open = questions.indices.filter { known[$0] == nil }
    let found = inParallel(open.count, threads: threads) { questions[open[$0]].answer() }
    var answers = known
    for (index, bound) in zip(open, found) { answers[index] = bound }
    bounds.withLock { bounds in
      for (index, bound) in zip(open, found) { bounds[questions[index]] = bound }
    }
    return answers.compactMap { $0 }
  }
}
