/// Why a solver gave no answer. ``sentence`` is what a person reads.
public enum IntegerSolverError: Error, Hashable, Sendable {
  /// No solver's executable is where programs are looked for.
  case notInstalled(searched: [String])
  case cannotStart(solver: String, reason: String)
  case cannotWrite(file: String, reason: String)
  /// It did not end in time, not even after a grace period, and was killed.
  case overran(solver: String, seconds: Double)
  case ended(solver: String, code: Int, lastWords: String)
  case killed(solver: String, signal: Int)
  case noAnswer(solver: String, lastWords: String)
  case malformedAnswer(solver: String, detail: String)
  /// The values it gave break this row or column of the program.
  case wrongAnswer(solver: String, broken: String)
  case unbounded(solver: String)

  public var sentence: String {
    switch self {
    case .notInstalled(let searched):
      "no MIP solver: none of \(searched.joined(separator: ", ")) is on PATH; install the Debian "
        + "package coinor-cbc, or HiGHS from https://highs.dev"
    case .cannotStart(let solver, let reason): "cannot start the MIP solver \(solver): \(reason)"
    case .cannotWrite(let file, let reason): "cannot write \(file): \(reason)"
    case .overran(let solver, let seconds):
      "the MIP solver \(solver) did not end within \(IntegerProgram.number(seconds)) s and was killed"
    case .ended(let solver, let code, let words):
      "the MIP solver \(solver) failed with exit code \(code)" + Self.quote(words)
    case .killed(let solver, let signal): "the MIP solver \(solver) was ended by signal \(signal)"
    case .noAnswer(let solver, let words):
      "the MIP solver \(solver) ended without writing an answer" + Self.quote(words)
    case .malformedAnswer(let solver, let detail):
      "the answer of the MIP solver \(solver) cannot be read: \(detail)"
    case .wrongAnswer(let solver, let broken):
      "the answer of the MIP solver \(solver) is wrong: it does not keep '\(broken)'"
    case .unbounded(let solver):
      "the MIP solver \(solver) says that the objective has no lower bound"
    }
  }

  private static func quote(_ words: String) -> String {
    words.isEmpty ? "" : "; its last words: '\(words)'"
  }
}
