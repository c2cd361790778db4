/// How far one of MoETuner's programs was solved.
public struct ProgramOutcome: Hashable, Sendable {
  /// What found the values, and where the status is optimal also proved them.
  public enum Method: String, Hashable, Sendable, CaseIterable {
    /// Every partition that could be better was looked at.
    case enumeration
    /// The values meet a lower bound that needs no search.
    case bound
    /// Each pair of layers by itself: on a uniform network labels are free.
    case matching
    /// Shortest path through the layers.
    case dynamicProgram = "dynamic-program"
    /// A MIP solver.
    case solver
    /// Descent by moves and swaps.
    case search
  }

  public var status: IntegerSolution.Status
  public var method: Method
  /// The program's objective at the values found; `nil` where there are none.
  public var objective: Double?
  /// No values have a smaller one.
  public var bound: Double
  /// Why there is no proof, where there is none: a sentence.
  public var remark: String?
}
