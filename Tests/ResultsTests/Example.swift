import Engine
import Foundation
import Units

@testable import Results

/// A task of a hand-written stream; times in picoseconds.
struct Played {
  var stage: Int
  var device: Int
  var start: Int64
  var end: Int64
  var layer = 0
  var bound = 0
  var energy = 0.0
  var latency: Int64 = 0
  /// Of the work; `bound` where nil.
  var work: TaskLabel.WorkBounds?
}

/// The vocabulary that the tests share.
enum Stage {
  static let attention = 0
  static let dispatch = 1
  static let experts = 2
  static let shared = 3
  static let copy = 4
  static let waiting = 5
}

let everyDevice = Int(TaskLabel.everyDevice)

func exampleDescription(devices: Int = 2, layers: Int = 2) -> RunDescription {
  var description = RunDescription(
    name: "an example", scenario: "switchyard: 1\nname: \"an example\", with a comma\n", seed: 7,
    programVersion: "0.1.0", deviceCount: devices, layerCount: layers,
    stages: [
      .init("attention", .compute), .init("dispatch", .communication), .init("experts", .compute),
      .init("shared experts", .compute), .init("copy", .communication),
    ], bounds: ["latency", "memory"])
  description.model = "tiny"
  description.cluster = "1 x test node"
  description.phase = "decode"
  description.sequences = 4
  description.context = 2048
  return description
}

extension Recorder {
  /// Plays the tasks in the order of time, ends before releases, as one iteration.
  mutating func play(
    _ tasks: [Played], iteration: Int = 0, from start: Int64 = 0, to end: Int64, tokens: Int = 1,
    load: (tokens: [Int], bytesSent: [Int])? = nil
  ) throws {
    beginIteration(iteration, at: SimTime(picoseconds: start))
    if let load { recordLoad(tokens: load.tokens, bytesSent: load.bytesSent) }
    let edges =
      tasks.indices.map { (tasks[$0].start, 1, $0) } + tasks.indices.map { (tasks[$0].end, 0, $0) }
    // A task of no length is released before it ends.
    for (time, kind, index) in edges.sorted(by: { edgeKey($0, tasks) < edgeKey($1, tasks) }) {
      let task = tasks[index]
      var label = TaskLabel(
        stage: UInt8(task.stage), bound: UInt8(task.bound), layer: task.layer, device: task.device)
      if let work = task.work { label.work = work }
      if kind == 1 {
        taskReleased(
          TaskID(index: index), label, at: SimTime(picoseconds: time),
          latency: SimTime(picoseconds: task.latency))
      } else {
        taskFinished(
          TaskID(index: index), label, from: SimTime(picoseconds: task.start),
          to: SimTime(picoseconds: time), energy: Joules(task.energy))
      }
    }
    try endIteration(at: SimTime(picoseconds: end), tokens: tokens)
  }
}

private func edgeKey(_ edge: (Int64, Int, Int), _ tasks: [Played]) -> (Int64, Int, Int) {
  let isEmpty = tasks[edge.2].start == tasks[edge.2].end
  let rank = isEmpty ? 3 - edge.1 : edge.1  // ends 0, releases 1, then empty ones: 2 before 3
  return (edge.0, rank, edge.2)
}

/// Two devices, two iterations of 1 us, everything a result can hold.
func exampleResult(spans: SpansKept = .all) throws -> RunResult {
  var description = exampleDescription()
  description.resources = [
    .init(name: "gpu 0 HBM", kind: "HBM", unit: "B/s", capacity: 1e12, device: 0),
    .init(name: "gpu 1 HBM", kind: "HBM", unit: "B/s", capacity: 1e12, device: 1),
    .init(name: "switch", kind: "switch", unit: "B/s", capacity: 4e12),
    .init(
      name: "gpu 0 out", kind: "ports", unit: "B/s", capacity: 1e9, device: 0, isLink: true),
    .init(
      name: "gpu 1 out", kind: "ports", unit: "B/s", capacity: 1e9, device: 1, isLink: true),
    .init(name: "spare", kind: "spare links", unit: "B/s", capacity: 1e9, isLink: true),
  ]
  description.remarks = ["uncalibrated: \"test\" uses the parameters of another"]
  var recorder = try Recorder(description, spans: spans)
  for iteration in 0..<2 {
    let base = Int64(iteration) * 1_000_000
    let tasks: [Played] = [
      .init(stage: Stage.attention, device: 0, start: base, end: base + 300_000, energy: 1e-6),
      .init(stage: Stage.attention, device: 1, start: base, end: base + 200_000, energy: 1e-6),
      .init(
        stage: Stage.dispatch, device: everyDevice, start: base + 300_000, end: base + 500_500,
        layer: 1),
      .init(
        stage: Stage.experts, device: 0, start: base + 500_500, end: base + 800_000, layer: 1,
        bound: 1, energy: 2e-6),
      .init(
        stage: Stage.experts, device: 1, start: base + 500_500, end: base + 1_000_000, layer: 1,
        bound: 1, energy: 4e-6),
    ]
    try recorder.play(
      tasks, iteration: iteration, from: base, to: base + 1_000_000, tokens: 4,
      load: ([0, 0, 2, 6 + iteration * 2], [0, 0, 128, 64]))
  }
  var result = try recorder.finish(
    uses: exampleUses, elapsed: SimTime(microseconds: 2), idlePower: 10,
    pairs: PairTraffic(deviceCount: 2, bytes: [0, 256, 128, 0]))
  result.duplicates = DuplicateUse(needed: 10, found: 4)
  result.bound = RunBound(
    throughput: TokenRate(8e6), boundBy: "gpu memory",
    roofs: [
      .init(
        resource: "gpu memory", taskBounds: ["memory bandwidth"], shareOfBound: 1,
        elasticityOfBound: 1, elasticityInTurn: 1),
      .init(
        resource: "links", taskBounds: [], shareOfBound: 0.25, elasticityOfBound: 0,
        elasticityInTurn: 0.25),
    ])
  result.placement = PlacementBelief(
    placement: "eplb", traffic: "home", objective: "sum", copies: 4, profiledRequests: 3,
    unseenRequests: 2,
    profiled: .init(total: 0.875, work: 0.5, inNode: 0.25, acrossNodes: 0.125, imbalance: 1.5),
    unseen: .init(total: 1.875, work: 1.5, inNode: 0.25, acrossNodes: 0.125, imbalance: 1.75),
    bound: .init(least: 0.7, covers: "everything", gap: 0.25, isOptimal: false))
  return result
}

/// Of 2 us. The port of gpu 1 was down for half of them.
let exampleUses = [
  ResourceUse(served: 1e6, offered: 2e6, busy: Seconds(1e-6), claimed: Seconds(1e-6)),
  ResourceUse(served: 5e5, offered: 2e6, busy: Seconds(1e-6), claimed: Seconds(1e-6)),
  ResourceUse(served: 0, offered: 8e6, busy: .zero, claimed: .zero),
  ResourceUse(served: 500, offered: 2000, busy: Seconds(0.8e-6), claimed: Seconds(1.25e-6)),
  ResourceUse(served: 750, offered: 1000, busy: Seconds(1.5e-6), claimed: Seconds(1.5e-6)),
  ResourceUse(served: 0, offered: 2000, busy: .zero, claimed: .zero),
]

/// A directory that is gone when the test is done.
final class TemporaryDirectory {
  let path: String

  init() throws {
    path = NSTemporaryDirectory() + "switchyard-results-\(UUID().uuidString)"
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }

  func file(_ name: String) -> String { "\(path)/\(name)" }

  var contents: [String] {
    ((try? FileManager.default.contentsOfDirectory(atPath: path)) ?? []).sorted()
  }
}

func bytes(of path: String) throws -> Data { try Data(contentsOf: URL(fileURLWithPath: path)) }

/// The sentence of the error that `body` throws, or what is wrong instead.
func sentence(_ body: () throws -> Void) -> String {
  do {
    try body()
    return "no error"
  } catch let error as ResultsError {
    return error.sentence
  } catch {
    return "another error: \(error)"
  }
}

/// Whether `/dev/full` is Linux's device that is always full.
let hasFullDevice: Bool = {
  var status = stat()
  return stat("/dev/full", &status) == 0 && status.st_mode & S_IFMT == S_IFCHR
}()
