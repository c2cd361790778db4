import Foundation
import Testing

/// What a command printed, and how it ended.
struct Outcome {
  var exitCode: Int32
  var output: String
  var errors: String
  /// The standard error without the lines that tell how far a slow run is, or how long a search took.
  var complaints: String {
    errors.split(separator: "\n")
      .filter {
        $0.wholeMatch(of: /\d+ of \d+ (iterations|runs)/) == nil
          && $0.wholeMatch(of: /found in [\d.]+ [a-z]+/) == nil
      }
      .joined(separator: "\n")
  }
}

/// A folder of its own in which the built program is run as a child process; removed afterwards.
final class Workbench {
  let folder: String

  init() throws {
    folder =
      FileManager.default.temporaryDirectory
      .appendingPathComponent("switchyard-commands-\(UUID().uuidString)").path
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
  }

  deinit { try? FileManager.default.removeItem(atPath: folder) }

  /// The repository: this file is `Tests/switchyardTests/Workbench.swift` in it.
  static let repository = URL(fileURLWithPath: #filePath)
    .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent().path

  static let quickstart = repository + "/scenarios/quickstart.yaml"
  static let trace = repository + "/traces/switchyard-docs-moe.routing"

  /// The program is built into the folder that the test product is in: a file on Linux, a bundle on
  /// macOS.
  static let program: String? = {
    let products =
      [URL(fileURLWithPath: CommandLine.arguments[0])] + Bundle.allBundles.map(\.bundleURL)
    return products.map { $0.deletingLastPathComponent().appendingPathComponent("switchyard").path }
      .first { FileManager.default.isExecutableFile(atPath: $0) }
  }()

  // MARK: - Running

  /// Runs the program in the folder.
  ///
  /// - Parameter output: Where the standard output goes instead of into the outcome.
  func run(_ arguments: [String], output: String? = nil) throws -> Outcome {
    let outputFile = output ?? file(".output-\(UUID().uuidString)")
    let errorFile = file(".errors-\(UUID().uuidString)")
    if output == nil { try "".write(toFile: outputFile, atomically: false, encoding: .utf8) }
    try "".write(toFile: errorFile, atomically: false, encoding: .utf8)
    let process = Process()
    process.executableURL = URL(
      fileURLWithPath: try #require(Self.program, "the built program is not beside the tests"))
    process.arguments = arguments
    process.currentDirectoryURL = URL(fileURLWithPath: folder)
    process.standardInput = FileHandle.nullDevice
    // Files and not pipes: nothing here waits for a reader.
    process.standardOutput = try FileHandle(forWritingTo: URL(fileURLWithPath: outputFile))
    process.standardError = try FileHandle(forWritingTo: URL(fileURLWithPath: errorFile))
    try process.run()
    process.waitUntilExit()
    defer {
      if output == nil { try? FileManager.default.removeItem(atPath: outputFile) }
      try? FileManager.default.removeItem(atPath: errorFile)
    }
    try #require(
      process.terminationReason == .exit, "killed by signal \(process.terminationStatus)")
    return Outcome(
      exitCode: process.terminationStatus,
      output: output == nil ? try text(outputFile) : "", errors: try text(errorFile))
  }

  /// Runs what has to succeed without a word on the standard error, and answers with the output.
  @discardableResult
  func output(of arguments: String...) throws -> String { try output(of: arguments) }

  @discardableResult
  func output(of arguments: [String]) throws -> String {
    let outcome = try run(arguments)
    #expect(outcome.complaints == "")
    try #require(outcome.exitCode == 0)
    return outcome.output
  }

  /// Runs what has to be refused with exit code 2 and nothing on the standard output, and answers
  /// with the sentences.
  func refusal(_ arguments: String...) throws -> String {
    try refusal(of: arguments)
  }

  func refusal(of arguments: [String]) throws -> String {
    let outcome = try run(arguments)
    #expect(outcome.exitCode == 2)
    #expect(outcome.output == "")
    let complaints = outcome.complaints
    guard complaints.hasPrefix("switchyard: ") else { return complaints }
    return String(complaints.dropFirst("switchyard: ".count))
  }

  /// What a wrong command line is answered with: the first line, as help follows it.
  func usageError(_ arguments: String...) throws -> String { try usageError(of: arguments) }

  func usageError(of arguments: [String]) throws -> String {
    let lines = try refusal(of: arguments).split(separator: "\n")
    #expect(lines.contains { $0.hasPrefix("Usage: switchyard") })
    return String(try #require(lines.first))
  }

  // MARK: - Files

  /// The path of a file of the folder.
  func file(_ name: String) -> String { folder + "/" + name }

  func text(_ path: String) throws -> String {
    String(decoding: try Data(contentsOf: URL(fileURLWithPath: path)), as: UTF8.self)
  }

  func bytes(_ name: String) throws -> Data {
    try Data(contentsOf: URL(fileURLWithPath: file(name)))
  }

  func write(_ text: String, to name: String) throws {
    try write(Data(text.utf8), to: name)
  }

  func write(_ data: Data, to name: String) throws {
    try data.write(to: URL(fileURLWithPath: file(name)))
  }

  /// Every file and folder that commands left, without those of the workbench itself.
  var contents: [String] {
    get throws {
      try FileManager.default.subpathsOfDirectory(atPath: folder).filter { !$0.hasPrefix(".") }
        .sorted()
    }
  }

  /// Writes `scenario.yaml`: the quickstart with few iterations, and `lines` over it.
  func scenario(_ lines: String = "") throws {
    try write(
      """
      switchyard: 1
      extends: \(Self.quickstart)
      measure: {warmup: 1 iterations, iterations: 3}
      \(lines)
      """, to: "scenario.yaml")
  }
}

/// Whether `/dev/full` is Linux's device that is always full.
let hasFullDevice: Bool = {
  var status = stat()
  return stat("/dev/full", &status) == 0 && status.st_mode & S_IFMT == S_IFCHR
}()
