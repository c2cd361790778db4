import Foundation
import Placement
import Testing

/// Buy x and y at 3 and 2, at least one of them; z pays for what is missing of 1.5.
private func tiny() -> IntegerProgram {
  var program = IntegerProgram("tiny")
  let x = program.addBinary("x", cost: 3)
  let y = program.addBinary("y", cost: 2)
  let z = program.addContinuous("z", cost: 0.5, upper: 4)
  program.addRow("one", [(x, 1), (y, 1)], .atLeast, 1)
  program.addRow("rest", [(y, 1), (z, 2)], .equal, 1.5)
  program.addRow("few", [(x, 1), (y, 0.5), (y, 0.5), (z, 0)], .atMost, 1)
  return program
}

@Test func aProgramIsWrittenAsFreeMPS() {
  #expect(
    tiny().mps == """
      * one unit of cost is 1 of the problem's
      NAME tiny FREE
      ROWS
       N cost
       G one
       E rest
       L few
      COLUMNS
       MARKER0 'MARKER' 'INTORG'
       x cost 3
       x one 1
       x few 1
       y cost 2
       y one 1
       y rest 1
       y few 1
       MARKER1 'MARKER' 'INTEND'
       z cost 0.5
       z rest 2
      RHS
       RHS one 1
       RHS rest 1.5
       RHS few 1
      BOUNDS
       BV BOUND x
       BV BOUND y
       UP BOUND z 4
      ENDATA

      """)
}

@Test func aConstantAndBoundsAreWrittenAsBounds() {
  var program = IntegerProgram("bounds")
  program.addConstant(7)
  program.addContinuous("free", lower: -.infinity)
  program.addContinuous("low", lower: -2.5, upper: 1e20)
  let x = program.addBinary("x")
  program.fix(x, at: 0)
  let lines = program.mps.split(separator: "\n").map(String.init)
  #expect(lines.contains(" constant cost 7"))
  #expect(lines.contains(" free cost 0"))
  #expect(
    lines.suffix(6) == [
      " FX BOUND constant 1", " MI BOUND free", " LO BOUND low -2.5", " UP BOUND low 1e+20",
      " FX BOUND x 0", "ENDATA",
    ])
}

@Test func aLargeProgramComesInPieces() {
  var program = IntegerProgram("large")
  for index in 0..<20_000 { program.addBinary("x\(index)", cost: 1) }
  var pieces: [Int] = []
  program.writeMPS { pieces.append($0.count) }
  #expect(pieces.count > 1)
  #expect(pieces.dropLast().allSatisfy { $0 >= 1 << 16 && $0 < 1 << 16 + 256 })
  #expect(pieces.reduce(0, +) == program.mps.utf8.count)
}

@Test func valuesAreHeldToRowsBoundsAndWholeness() {
  let program = tiny()
  #expect(program.firstBroken(by: [0, 1, 0.25]) == nil)
  #expect(program.objective(of: [0, 1, 0.25]) == 2.125)
  #expect(program.firstBroken(by: [0, 0, 0.75]) == "one")
  #expect(program.firstBroken(by: [0, 1, 0.5]) == "rest")
  #expect(program.firstBroken(by: [1, 1, 0.25]) == "few")
  #expect(program.firstBroken(by: [0.5, 0.5, 0.5]) == "x")
  #expect(program.firstBroken(by: [0, 1, .nan]) == "z")
  #expect(program.firstBroken(by: [0, 1]) == "the number of columns")
}

// MARK: Solvers

private let installed = IntegerSolver.Kind.allCases.compactMap {
  try? IntegerSolver.installed([$0])
}

/// A solver that does what a few lines of shell say.
private struct FakeSolver {
  let folder: URL
  let solver: IntegerSolver

  init(_ script: String, graceSeconds: Double = 10) throws {
    folder = FileManager.default.temporaryDirectory
      .appendingPathComponent("fake-solver-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    let file = folder.appendingPathComponent("cbc").path
    // The answer's file is the last word of CBC's command line.
    try "#!/bin/sh\n[ \"$1\" = --ready ] && exit 0\nfor answer; do :; done\n\(script)\n"
      .write(toFile: file, atomically: true, encoding: .utf8)
    try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: file)
    // A process that another test forked meanwhile may have the file open still, and nobody can run it.
    for _ in 0..<1000 {
      let trial = Process()
      trial.executableURL = URL(fileURLWithPath: "/bin/sh")
      trial.arguments = ["-c", "exec \"$0\" --ready 2>/dev/null", file]
      try trial.run()
      trial.waitUntilExit()
      if trial.terminationStatus == 0 { break }
    }
    var solver = try IntegerSolver.installed(path: "/nowhere:\(folder.path)")
    solver.graceSeconds = graceSeconds
    self.solver = solver
  }

  /// The error's sentence, or "" where there is an answer.
  func complaint() -> String {
    do {
      _ = try solver.solve(tiny(), seconds: 0.05)
      return ""
    } catch { return error.sentence }
  }

  func remove() { try? FileManager.default.removeItem(at: folder) }
}

@Test func aMissingSolverIsNamedWithWhatToInstall() {
  var sentence = ""
  do { _ = try IntegerSolver.installed(path: "/nowhere:/nor/here") } catch {
    sentence = error.sentence
  }
  #expect(
    sentence == "no MIP solver: none of cbc, highs is on PATH; install the Debian package "
      + "coinor-cbc, or HiGHS from https://highs.dev")
}

@Test func aSolverThatHangsIsKilled() throws {
  let fake = try FakeSolver(
    "echo $$ > \"$(dirname \"$0\")/pid\"; exec sleep 100", graceSeconds: 0.2)
  defer { fake.remove() }
  let sentence = fake.complaint()
  #expect(sentence.hasPrefix("the MIP solver cbc did not end within 0.25"))
  #expect(sentence.hasSuffix("s and was killed"))
  let file = fake.folder.appendingPathComponent("pid").path
  let process = try String(contentsOfFile: file, encoding: .utf8)
  let identifier = try #require(Int32(process.trimmingCharacters(in: .whitespacesAndNewlines)))
  #expect(kill(identifier, 0) != 0)
}

@Test func failuresOfSolversAreSaid() throws {
  let cases = [
    (
      "echo out of luck >&2; exit 3",
      "the MIP solver cbc failed with exit code 3; its last words: 'out of luck'"
    ),
    ("kill -9 $$", "the MIP solver cbc was ended by signal 9"),
    (
      "echo nothing to say",
      "the MIP solver cbc ended without writing an answer; its last words: 'nothing to say'"
    ),
    ("echo > $answer", "the MIP solver cbc ended without writing an answer"),
    ("head -c 3000 /dev/zero > $answer", "the answer of the MIP solver cbc cannot be read: it "),
    (
      "printf 'Optimal - objective value 1\\n 0 y 1 0\\n' > $answer",
      "the answer of the MIP solver cbc cannot be read: ' 0 y 1 0' is no column and its value"
    ),
    (
      "printf 'Optimal - objective value 1\\n 9 x 1 0\\n' > $answer",
      "the answer of the MIP solver cbc cannot be read: ' 9 x 1 0' is no column and its value"
    ),
    (
      "printf 'Optimal - objective value 0\\n 0 x nan 0\\n' > $answer",
      "the answer of the MIP solver cbc cannot be read: ' 0 x nan 0' is no column and its value"
    ),
    (
      "printf 'Optimal - objective value 0\\n' > $answer",
      "the answer of the MIP solver cbc is wrong: it does not keep 'one'"
    ),
    (
      "printf 'Unbounded - objective value 0\\n' > $answer",
      "the MIP solver cbc says that the objective has no lower bound"
    ),
  ]
  for (script, sentence) in cases {
    let fake = try FakeSolver(script)
    defer { fake.remove() }
    let complaint = fake.complaint()
    #expect(complaint.hasPrefix(sentence), "\(script): \(complaint)")
  }
}

@Test func aStoppedSolversRelaxationIsNoSolution() throws {
  let answer = "Stopped on time - objective value 1\\n 0 x 0.5 0\\n 1 y 0.5 0\\n 2 z 0.5 0\\n"
  let fake = try FakeSolver("echo 'Lower bound: 1.250'; printf '\(answer)' > $answer")
  defer { fake.remove() }
  let solution = try fake.solver.solve(tiny(), seconds: 1)
  #expect(solution.status == .timeLimit)
  #expect(solution.values.isEmpty)
  #expect(solution.bound == 1.2495)
}

@Test(.enabled(if: !installed.isEmpty, "no MIP solver is installed"))
func solversFindTheOptimumOfATinyProgram() throws {
  // y = 1 leaves 0.5 for 2 z: 2 + 0.5 x 0.25; x = 1 instead costs 3 + 0.5 x 0.75.
  for solver in installed {
    for start in [nil, [1, 0, 0.75], [1, 1, 1]] {
      let solution = try solver.solve(tiny(), seconds: 10, start: start)
      #expect(solution.status == .optimal)
      #expect(solution.objective == 2.125)
      #expect(solution.bound == 2.125)
      #expect(solution.values == [0, 1, 0.25])
      #expect(solution.solver == solver.kind.rawValue)
    }
  }
}

@Test(.enabled(if: !installed.isEmpty, "no MIP solver is installed"))
func solversSayThatRowsContradictOneAnother() throws {
  for solver in installed {
    var program = tiny()
    program.addRow("both", [(column: 0, factor: 1), (1, 1)], .atLeast, 2)
    let solution = try solver.solve(program, seconds: 10)
    #expect(solution.status == .infeasible)
    #expect(solution.objective == nil && solution.values.isEmpty)
  }
}

@Test(.enabled(if: !installed.isEmpty, "no MIP solver is installed"))
func solversAddTheConstant() throws {
  for solver in installed {
    var program = tiny()
    program.addConstant(100)
    #expect(try solver.solve(program, seconds: 10).objective == 102.125)
  }
}
