import Dispatch
import Synchronization

/// Does `count` pieces of work on a few threads, one piece at a time on each, and answers in the
/// order of the pieces, whichever ended first.
///
/// - Parameters:
///   - ended: Told after each piece how many have ended; one call at a time.
public func inParallel<Answer: Sendable>(
  _ count: Int, threads: Int, work: @Sendable (Int) -> Answer,
  ended: @Sendable (Int) -> Void = { _ in }
) -> [Answer] {
  if threads <= 1 || count <= 1 {
    return (0..<count).map { index in
      let answer = work(index)
      ended(index + 1)
      return answer
    }
  }
  let state = Mutex(ParallelState<Answer>(count: count))
  DispatchQueue.concurrentPerform(iterations: min(threads, count)) { _ in
    while let index = state.withLock({ $0.take() }) {
      let answer = work(index)
      state.withLock { state in
        state.answers[index] = answer
        state.done += 1
        ended(state.done)
      }
    }
  }
  return state.withLock { $0.answers.compactMap { $0 } }
}

/// What the threads of ``inParallel(_:threads:work:ended:)`` share.
private struct ParallelState<Answer: Sendable>: Sendable {
  var answers: [Answer?]
  var done = 0
  private var next = 0

  init(count: Int) { answers = [Answer?](repeating: nil, count: count) }

  mutating func take() -> Int? {
    guard next < answers.count else { return nil }
    defer { next += 1 }
    return next
  }
}
