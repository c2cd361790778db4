import Fabric
import Units

/// A schedule, and for each of its steps which others come before it for certain.
///
/// What a message carries is read from its size: tests give every piece of data a size of its own, a
/// power of two, so that a sum of sizes says which pieces it is of.
struct ScheduleReplay {
  let schedule: MessageSchedule
  /// Whether each wait is for a step that was added before.
  let isInOrder: Bool
  /// Steps on the longest chain of waits.
  let depth: Int
  /// `[step]`: a bit for each step that it waits for, directly or not.
  private let before: [[UInt64]]

  init(_ schedule: MessageSchedule) {
    self.schedule = schedule
    isInOrder = schedule.waits.allSatisfy { $0.other.position < $0.step.position }
    var others = [[Int]](repeating: [], count: schedule.steps.count)
    for wait in schedule.waits { others[wait.step.position].append(wait.other.position) }
    let words = (schedule.steps.count + 63) / 64
    var before: [[UInt64]] = []
    var depths: [Int] = []
    for index in others.indices {
      var bits = [UInt64](repeating: 0, count: words)
      var depth = 0
      for other in others[index] where other < index {
        for word in bits.indices { bits[word] |= before[other][word] }
        bits[other / 64] |= 1 << UInt64(other % 64)
        depth = max(depth, depths[other])
      }
      before.append(bits)
      depths.append(depth + (schedule.steps[index].kind == .join ? 0 : 1))
    }
    self.before = before
    depth = depths.max() ?? 0
  }

  func comesBefore(_ other: Int, _ step: Int) -> Bool {
    before[step][other / 64] & (1 << UInt64(other % 64)) != 0
  }

  /// The messages, by position.
  var messages: [Int] { schedule.steps.indices.filter { schedule.steps[$0].kind == .message } }
}

/// The pieces whose sizes add up to `bytes`, as bits; nil where no pieces do.
func pieces(of bytes: Double) -> UInt64? { UInt64(exactly: bytes) }

/// The size of a piece.
func size(ofPiece piece: Int) -> Double { Double(UInt64(1) << UInt64(piece)) }

extension MessageSchedule {
  /// What a rank sends, over the network and to switches.
  func bytesSent(by rank: Int) -> Double {
    steps.filter { $0.kind == .message && Int($0.source) == rank }.reduce(0) { $0 + $1.bytes }
  }

  func bytesReceived(by rank: Int) -> Double {
    steps.filter { $0.kind == .message && Int($0.target) == rank }.reduce(0) { $0 + $1.bytes }
  }

  /// What crosses from nodes to other nodes.
  func bytesBetweenNodes(_ layout: RankLayout) -> Double {
    steps.filter { $0.kind == .message && $0.source >= 0 && $0.target >= 0 }
      .filter { layout.node(of: Int($0.source)) != layout.node(of: Int($0.target)) }
      .reduce(0) { $0 + $1.bytes }
  }

  var messageCount: Int { steps.filter { $0.kind == .message }.count }
}
