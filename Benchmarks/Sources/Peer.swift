import Foundation

/// Another program that does the same work, built or installed under `.build/peers` when it is first
/// needed. Where its compiler or package is absent, it is left out and a line says so.
struct Peer {
  let name: String
  private let command: [String]

  /// std::priority_queue, by g++ -O3.
  static func priorityQueue() -> Peer? {
    build("std::priority_queue", "hold", from: "hold.cpp", using: ["g++", "-O3"])
  }

  /// ns-3's simulator core, where Debian's libns3-dev is installed.
  static func ns3(scheduler: String) -> Peer? {
    let name = "ns-3 \(scheduler)"
    guard let flags = try? execute(["pkg-config", "--cflags", "--libs", "ns3-core"]) else {
      return skip(name, "no ns3-core here; apt-get install libns3-dev")
    }
    let words = flags.split(whereSeparator: \.isWhitespace).map(String.init)
    return build(
      name, "hold_ns3", from: "hold_ns3.cpp", using: ["g++", "-O3"], linking: words,
      arguments: ["ns3::\(scheduler)"])
  }

  /// SimPy from PyPI, in a virtual environment of its own.
  static func simPy() -> Peer? {
    let python = directory + "/venv/bin/python"
    do {
      if (try? execute([python, "-c", "import simpy"])) == nil {
        _ = try execute(["python3", "-m", "venv", directory + "/venv"])
        _ = try execute([python, "-m", "pip", "install", "--quiet", "simpy==4.1.1"])
      }
    } catch {
      return skip("SimPy", "\(error)")
    }
    return Peer(name: "SimPy", command: [python, sources + "/phold_simpy.py"])
  }

  /// SimGrid's flow model, where Debian's libsimgrid-dev is installed.
  static func simGrid() -> Peer? {
    guard let flags = try? execute(["pkg-config", "--cflags", "--libs", "simgrid"]) else {
      return skip("SimGrid", "no simgrid here; apt-get install libsimgrid-dev")
    }
    let words = flags.split(whereSeparator: \.isWhitespace).map(String.init)
    return build(
      "SimGrid", "all_to_all_simgrid", from: "all_to_all_simgrid.cpp", using: ["g++", "-O3"],
      linking: words, arguments: ["--log=root.threshold:error"])
  }

  /// Runs the program; it prints numbers.
  ///
  /// - Parameter limit: Processor time in seconds after which it is stopped.
  /// - Returns: Nil where it was stopped.
  func numbers(_ arguments: [String], limit: Int?) throws -> [Double]? {
    let shell = """
      ulimit -t $1; shift; "$@"; code=$?; [ $code -gt 128 ] && echo stopped && exit 0; exit $code
      """
    let seconds = limit.map(String.init) ?? "unlimited"
    let words = try execute(["sh", "-c", shell, "sh", seconds] + command + arguments)
      .split(whereSeparator: \.isWhitespace)
    if limit != nil, words == ["stopped"] { return nil }
    return try words.map { word in
      guard let number = Double(word) else {
        throw PeerError(description: "\(name) printed \(words)")
      }
      return number
    }
  }

  /// Runs the program; it prints a figure and a checksum.
  func measure(_ arguments: [String]) throws -> Measurement {
    let words = try execute(command + arguments).split(whereSeparator: \.isWhitespace)
    guard words.count == 2, let figure = Double(words[0]), let checksum = UInt64(words[1]) else {
      throw PeerError(description: "\(name) printed \(words)")
    }
    return Measurement(figure: figure, checksum: checksum)
  }

  static let sources = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
    .deletingLastPathComponent().appendingPathComponent("peers").path
  static let directory = URL(fileURLWithPath: sources).deletingLastPathComponent()
    .deletingLastPathComponent().appendingPathComponent(".build/peers").path

  /// Compiles `source` to `directory`/`product`.
  static func build(
    _ name: String, _ product: String, from source: String, using compiler: [String],
    linking flags: [String] = [], arguments: [String] = []
  ) -> Peer? {
    let binary = "\(directory)/\(product)"
    do {
      try FileManager.default.createDirectory(
        atPath: directory, withIntermediateDirectories: true)
      _ = try execute(compiler + ["\(sources)/\(source)", "-o", binary] + flags)
    } catch {
      return skip(name, "\(error)")
    }
    return Peer(name: name, command: [binary] + arguments)
  }

  private static func skip(_ name: String, _ reason: String) -> Peer? {
    say("without \(name): \(reason)")
    return nil
  }
}

/// A figure in the benchmark's unit, and the sum over the events that shows that two programs did
/// the same.
struct Measurement {
  var figure: Double
  var checksum: UInt64
}

struct PeerError: Error, CustomStringConvertible {
  var description: String
}

/// Runs a command and returns what it prints; throws with its last words if it fails.
@discardableResult
func execute(_ command: [String], environment: [String: String] = [:]) throws -> String {
  let process = Process()
  process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
  process.arguments = command
  process.environment = ProcessInfo.processInfo.environment.merging(environment) { $1 }
  let output = Pipe()
  let errors = Pipe()
  process.standardOutput = output
  process.standardError = errors
  try process.run()
  let printed = output.fileHandleForReading.readDataToEndOfFile()
  let complaint = errors.fileHandleForReading.readDataToEndOfFile()
  process.waitUntilExit()
  guard process.terminationStatus == 0 else {
    let lines = String(decoding: complaint, as: UTF8.self).split(separator: "\n")
    throw PeerError(description: String(lines.last ?? "\(command[0]) failed"))
  }
  return String(decoding: printed, as: UTF8.self)
}

/// Talk goes to standard error; standard output is for results.
func say(_ line: String) {
  FileHandle.standardError.write(Data((line + "\n").utf8))
}

/// Runs the contestants in turn, so that a disturbance of the machine meets all of them, and checks
/// that they did the same.
///
/// - Returns: each contestant's figures, in the order of the repetitions.
func compare(
  _ repetitions: Int, _ contestants: [(name: String, run: () throws -> Measurement)]
) throws -> [[Double]] {
  var figures = contestants.map { _ in [Double]() }
  for _ in 0..<repetitions {
    var checksum: UInt64?
    for (index, contestant) in contestants.enumerated() {
      let measured = try contestant.run()
      figures[index].append(measured.figure)
      if let checksum, checksum != measured.checksum {
        throw PeerError(description: "\(contestant.name) did not pop the same events")
      }
      checksum = measured.checksum
    }
  }
  return figures
}
