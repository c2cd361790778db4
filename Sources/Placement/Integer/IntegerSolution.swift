/// What a solver found for an ``IntegerProgram``.
public struct IntegerSolution: Hashable, Sendable {
  public enum Status: String, Hashable, Sendable, CaseIterable {
    /// The values are the best there are, proven by the solver.
    case optimal
    /// Values that keep all rows, without proof that there are no better ones.
    case feasible
    /// No values keep all rows.
    case infeasible
    /// The time ended before any values were found.
    case timeLimit = "time-limit"
  }

  public var status: Status
  /// One number for each column, whole where the column is; empty without a solution.
  public var values: [Double]
  /// The objective at ``values``, in the program's units, worked out here rather than read.
  public var objective: Double?
  /// No values have a smaller objective than this, says the solver; `nil` where it does not say.
  public var bound: Double?
  /// The solver's name.
  public var solver: String
}
