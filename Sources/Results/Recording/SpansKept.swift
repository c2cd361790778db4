/// Which tasks a ``Recorder`` remembers one by one, for a timeline. A span takes 32 bytes.
public enum SpansKept: Hashable, Sendable {
  case none
  /// Those of the first measured iterations.
  case firstIterations(Int)
  case all

  func includes(measuredIteration index: Int) -> Bool {
    switch self {
    case .none: false
    case .firstIterations(let count): index < count
    case .all: true
    }
  }
}
