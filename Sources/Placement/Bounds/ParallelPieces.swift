import Dispatch
import Synchronization

/// Does `count` pieces of work on a few threads, one piece at a time on each, and answers in the
/// order of the pieces, whichever ended first.
func inParallel<Answer: Sendable>(
  _ count: Int, threads: Int, work: @Sendable (Int) -> Answer
) -> [Answer] {
  guard threads > 1, count > 1 else { return (0..<count).map(work) }
  let state = Mutex((next: 0, answers: [Answer?](repeating: nil, count: count)))
  DispatchQueue.concurrentPerform(iterations: min(threads, count)) { _ in
    while true {
      let piece = state.withLock { state in
        state.next += 1
        return state.next - 1
      }
      guard piece < count else { return }
      let answer = work(piece)
      state.withLock { $0.answers[piece] = answer }
    }
  }
  return state.withLock { $0.answers.compactMap { $0 } }
}
