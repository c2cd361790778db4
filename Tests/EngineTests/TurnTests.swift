import Testing
import Units

@testable import Engine

/// The order in which tasks ended, and when each began and ended.
private struct Log: Observer {
  var spans: [Int: ClosedRange<Double>] = [:]
  var order: [Int] = []
  mutating func taskFinished(
    _ task: TaskID, _ label: TaskLabel, from start: SimTime, to end: SimTime, energy: Joules
  ) {
    spans[task.position] = start.seconds...end.seconds
    order.append(task.position)
  }
}

private let anyLabel = TaskLabel(stage: 0, device: 0)

/// A link of a byte per second on which tasks take turns.
private struct Link {
  var resources = ResourceTable()
  let link: ResourceID

  init() { link = resources.add("link", capacity: Bandwidth(1)) }

  func run(_ graph: borrowing TaskGraph) throws -> Log {
    var engine = Engine<FourAryHeap>(resources: resources)
    var log = Log()
    try engine.run(graph, observer: &log)
    return log
  }
}

@Suite("Tasks that take turns at a resource")
struct TurnTests {
  private let link = Link()

  private func copy(
    _ bytes: Double, precedence: TurnPrecedence? = .usual, latency: SimTime = .zero,
    in graph: inout TaskGraph
  ) -> TaskID {
    let task = graph.addTask(anyLabel, latency: latency)
    graph.demand(Bytes(bytes), of: link.link)
    if let precedence { graph.takeTurn(at: link.link, precedence: precedence) }
    return task
  }

  @Test func oneGoesAfterTheOtherWithAllOfTheLink() throws {
    var graph = TaskGraph()
    _ = copy(3, in: &graph)
    _ = copy(1, in: &graph)
    let spans = try link.run(graph).spans
    #expect(spans == [0: 0...3, 1: 3...4])
  }

  @Test func latencyPassesWithTheTurn() throws {
    var graph = TaskGraph()
    _ = copy(3, latency: SimTime(roundingUp: Double(2)), in: &graph)
    _ = copy(1, latency: SimTime(roundingUp: Double(2)), in: &graph)
    #expect(try link.run(graph).spans == [0: 0...5, 1: 5...8])
  }

  @Test func whoHasPrecedenceGoesNextAndInterruptsNobody() throws {
    var graph = TaskGraph()
    _ = copy(4, precedence: .usual, in: &graph)
    _ = copy(5, precedence: .usual, in: &graph)
    _ = copy(6, precedence: .usual, in: &graph)
    _ = copy(7, precedence: .urgent, in: &graph)
    let log = try link.run(graph)
    #expect(log.order == [0, 3, 1, 2])
    #expect(log.spans[3] == 4...11)
  }

  /// A copy of 10 in pieces of 2, and one byte that comes after 3 seconds: it goes when the second piece
  /// is done, before the third one, whose turn it would be by age only where it had come sooner.
  @Test func piecesLetOthersIn() throws {
    var graph = TaskGraph()
    var piece = copy(2, precedence: .usual, in: &graph)
    for _ in 1..<5 {
      let next = copy(2, precedence: .usual, in: &graph)
      graph.add(next, after: piece)
      piece = next
    }
    let wait = graph.addTask(anyLabel, latency: SimTime(roundingUp: Double(3)))
    let vector = copy(1, precedence: .urgent, in: &graph)
    graph.add(vector, after: wait)
    let log = try link.run(graph)
    #expect(log.spans[vector.position] == 4...5)
    #expect(log.spans[piece.position] == 9...11)
  }

  /// Precedence also counts for who waited for the task whose turn ends.
  @Test func whoIsReleasedByATurnMayGoBeforeWhoWaits() throws {
    var graph = TaskGraph()
    let first = copy(2, precedence: .urgent, in: &graph)
    _ = copy(2, precedence: .usual, in: &graph)
    let second = copy(2, precedence: .urgent, in: &graph)
    graph.add(second, after: first)
    #expect(try link.run(graph).order == [0, 2, 1])
  }

  @Test func whoTakesNoTurnSharesTheLink() throws {
    var graph = TaskGraph()
    _ = copy(2, in: &graph)
    _ = copy(2, in: &graph)
    _ = copy(4, precedence: nil, in: &graph)
    // Half each: the first turn lasts 4 s and so does the second; the other one takes all 8.
    #expect(try link.run(graph).spans == [0: 0...4, 1: 4...8, 2: 0...8])
  }

  @Test func graphsThatFollowBeginWithoutTurns() throws {
    var engine = Engine<FourAryHeap>(resources: link.resources)
    var graph = TaskGraph()
    for _ in 0..<3 {
      graph.removeAll()
      let before = engine.now
      _ = graph.addTask(anyLabel)
      _ = copy(1, in: &graph)
      _ = copy(1, in: &graph)
      var log = Log()
      try engine.run(graph, observer: &log)
      #expect((engine.now - before).seconds == 2)
    }
  }

  /// Random copies with random waits: never two at a time, never idle while one waits, and nobody who
  /// waited is passed by one of no less precedence that came later.
  @Test(arguments: 0..<20)
  func laws(seed: UInt64) throws {
    var random = seed &* 0x9e37_79b9_7f4a_7c15 | 1
    func draw(_ limit: UInt64) -> Int {
      random ^= random << 13
      random ^= random >> 7
      random ^= random << 17
      return Int(random % limit)
    }
    var graph = TaskGraph()
    var copies: [(task: Int, comes: Double, bytes: Double, precedence: TurnPrecedence)] = []
    for index in 0..<60 {
      // Everybody comes at a time of his own.
      let comes = Double(draw(80)) + Double(index) * 0.01
      let bytes = Double(1 + draw(3))
      let precedence: TurnPrecedence = draw(4) == 0 ? .urgent : .usual
      let wait = graph.addTask(anyLabel, latency: SimTime(roundingUp: Double(comes)))
      let task = copy(bytes, precedence: precedence, in: &graph)
      graph.add(task, after: wait)
      copies.append((task.position, comes, bytes, precedence))
    }
    let log = try link.run(graph)
    var free = 0.0
    var open = copies
    for task in log.order where copies.contains(where: { $0.task == task }) {
      let span = try #require(log.spans[task])
      #expect(span.lowerBound >= free - 1e-9)
      let earliest = open.map(\.comes).min() ?? 0
      #expect(abs(span.lowerBound - max(free, earliest)) < 1e-9)
      let waiting = open.filter { $0.comes <= span.lowerBound + 1e-9 }
      let next = waiting.min {
        ($0.precedence.rawValue, $0.comes) < ($1.precedence.rawValue, $1.comes)
      }
      #expect(next?.task == task)
      open.removeAll { $0.task == task }
      free = span.upperBound
    }
    #expect(open.isEmpty)
  }
}
