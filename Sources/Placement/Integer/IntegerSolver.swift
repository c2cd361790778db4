import Foundation

/// A MIP solver that is installed on this machine, run as a child process that cannot outlive its
/// time.
///
///     let solver = try IntegerSolver.installed()
///     let solution = try solver.solve(program, seconds: 10)
///
/// One thread and a fixed seed, so that a program solved to the end has the same answer on every
/// run; one that the time limit stopped may not have. The answer is checked against the program.
public struct IntegerSolver: Hashable, Sendable {
  /// The solvers whose command lines and answers are known; the value is the executable's name.
  public enum Kind: String, Hashable, Sendable, CaseIterable {
    /// COIN-OR Branch and Cut, version 2.10.
    case cbc
    /// HiGHS, version 1.5 or later.
    case highs
  }

  public let kind: Kind
  /// The executable's path.
  public let executable: String
  /// Seconds after its time limit that a solver may use to read the program and to write its
  /// answer, before it is killed; for programs of millions of terms some more.
  public var graceSeconds = 5.0

  public init(_ kind: Kind, executable: String) {
    self.kind = kind
    self.executable = executable
  }

  /// The first of `kinds` that `path` (the environment's PATH where `nil`) has an executable of.
  ///
  /// - Throws: ``IntegerSolverError/notInstalled(searched:)``, which says what to install.
  public static func installed(
    _ kinds: [Kind] = Kind.allCases, path: String? = nil
  ) throws(IntegerSolverError) -> IntegerSolver {
    let path = path ?? ProcessInfo.processInfo.environment["PATH"] ?? ""
    for kind in kinds {
      for folder in path.split(separator: ":") {
        let file = "\(folder)/\(kind.rawValue)"
        if access(file, X_OK) == 0 { return IntegerSolver(kind, executable: file) }
      }
    }
    throw .notInstalled(searched: kinds.map(\.rawValue))
  }

  /// The best values found in `seconds`.
  ///
  /// - Parameter start: values of all columns to begin with; ignored where they break a row.
  /// - Throws: ``IntegerSolverError`` where the solver cannot be run, fails, does not end or answers
  ///   nonsense. A program without a solution is an answer.
  public func solve(
    _ program: IntegerProgram, seconds: Double, start: [Double]? = nil
  ) throws(IntegerSolverError) -> IntegerSolution {
    let folder = try Self.temporaryFolder()
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let files = Files(folder: folder)
    try Self.write(program, to: files.program)
    var hasStart = false
    if let start, program.firstBroken(by: start) == nil {
      try Self.write(kind.startText(start, of: program), to: files.start)
      hasStart = true
    }
    if let options = kind.options(files, seconds: seconds, hasStart: hasStart) {
      try Self.write(options, to: files.options)
    }
    let limit = max(seconds, 0) + graceSeconds + Double(program.terms.count) * 4e-6
    let end: ChildProcess.End
    do {
      end = try ChildProcess.run(
        executable, kind.arguments(files, seconds: seconds, hasStart: hasStart),
        output: files.log, seconds: limit)
    } catch {
      throw .cannotStart(solver: name, reason: error.reason)
    }
    let log = Self.text(of: files.log)
    switch end {
    case .killed: throw .overran(solver: name, seconds: limit)
    case .signal(let signal): throw .killed(solver: name, signal: signal)
    case .exit(0): break
    case .exit(let code): throw .ended(solver: name, code: code, lastWords: Self.lastWords(of: log))
    }
    let answer = Self.text(of: files.answer)
    guard answer.contains(where: { !$0.isWhitespace }) else {
      throw .noAnswer(solver: name, lastWords: Self.lastWords(of: log))
    }
    return try solution(of: program, from: try kind.read(answer, log: log, program: program))
  }

  /// The files that a solver reads and writes.
  struct Files {
    let folder: String
    var program: String { "\(folder)/program.mps" }
    var start: String { "\(folder)/start.sol" }
    var options: String { "\(folder)/options" }
    var answer: String { "\(folder)/answer.sol" }
    var log: String { "\(folder)/log" }
  }

  private var name: String { kind.rawValue }

  /// Holds an answer to the program.
  private func solution(
    of program: IntegerProgram, from answer: SolverAnswer
  ) throws(IntegerSolverError) -> IntegerSolution {
    func without(_ status: IntegerSolution.Status) -> IntegerSolution {
      IntegerSolution(
        status: status, values: [], objective: nil, bound: answer.bound, solver: name)
    }
    switch answer.outcome {
    case .infeasible: return without(.infeasible)
    case .unbounded: throw .unbounded(solver: name)
    case .optimal, .stopped: break
    }
    let isOptimal = answer.outcome == .optimal
    guard var values = answer.values else {
      if isOptimal { throw .malformedAnswer(solver: name, detail: "it has no values") }
      return without(.timeLimit)
    }
    for (position, column) in program.columns.enumerated() where column.kind == .binary {
      guard abs(values[position] - values[position].rounded()) < 1e-4 else {
        // What is left of a relaxation when the time is over is no solution.
        if isOptimal { throw .wrongAnswer(solver: name, broken: column.name) }
        return without(.timeLimit)
      }
      values[position].round()
    }
    if let broken = program.firstBroken(by: values, tolerance: 1e-5) {
      if isOptimal { throw .wrongAnswer(solver: name, broken: broken) }
      return without(.timeLimit)
    }
    let objective = program.objective(of: values)
    return IntegerSolution(
      status: isOptimal ? .optimal : .feasible, values: values, objective: objective,
      bound: isOptimal ? objective : answer.bound.map { min($0, objective) }, solver: name)
  }
}

extension IntegerSolver {
  private static func temporaryFolder() throws(IntegerSolverError) -> String {
    // `mkdtemp` puts a name of its own for the X's, so that no two solvers share a folder; where it lies
    // is the system's choice or TMPDIR's. It is removed when the solver has ended.
    let pattern = NSTemporaryDirectory() + "/switchyard-mip-XXXXXX"
    var bytes = Array(pattern.utf8CString)
    guard let made = mkdtemp(&bytes) else {
      throw .cannotWrite(file: pattern, reason: String(cString: strerror(errno)))
    }
    return String(cString: made)
  }

  private static func write(
    _ program: IntegerProgram, to path: String
  ) throws(IntegerSolverError) {
    let file = try TextFile(path)
    try program.writeMPS { piece throws(IntegerSolverError) in try file.write(piece) }
    try file.close()
  }

  private static func write(_ text: String, to path: String) throws(IntegerSolverError) {
    let file = try TextFile(path)
    try file.write(Array(text.utf8))
    try file.close()
  }

  /// A file's text, whatever its bytes; empty where there is none.
  private static func text(of path: String) -> String {
    FileManager.default.contents(atPath: path).map { String(decoding: $0, as: UTF8.self) } ?? ""
  }

  /// The last line that says something, shortened.
  private static func lastWords(of log: String) -> String {
    let line = log.split(whereSeparator: \.isNewline).last { $0.contains { !$0.isWhitespace } }
    return String((line ?? "").trimmingCharacters(in: .whitespaces).prefix(160))
  }

  /// A new file that is closed whatever happens.
  private final class TextFile {
    private let path: String
    private var stream: UnsafeMutablePointer<FILE>?

    init(_ path: String) throws(IntegerSolverError) {
      self.path = path
      stream = fopen(path, "w")
      guard stream != nil else { throw failure }
    }

    func write(_ bytes: borrowing [UInt8]) throws(IntegerSolverError) {
      guard let stream, fwrite(bytes, 1, bytes.count, stream) == bytes.count else { throw failure }
    }

    func close() throws(IntegerSolverError) {
      guard let open = stream else { return }
      stream = nil
      guard fclose(open) == 0 else { throw failure }
    }

    private var failure: IntegerSolverError {
      .cannotWrite(file: path, reason: String(cString: strerror(errno)))
    }

    deinit { if let stream { fclose(stream) } }
  }
}
