import Engine

/// The last tasks of a chain of stages: what the next task of each device waits for.
struct TaskFrontier {
  private var last: [TaskID?]
  /// An exchange that only tasks which need its tokens wait for.
  private(set) var openExchange: TaskID?

  init(devices: Int) { last = [TaskID?](repeating: nil, count: devices) }

  /// Forgets everything and keeps the memory.
  mutating func removeAll() {
    for device in last.indices { last[device] = nil }
    openExchange = nil
  }

  /// Lets `task`, of one device, follow what that device did last.
  mutating func append(_ task: TaskID, of device: Int, to graph: inout TaskGraph) {
    if let previous = last[device] { graph.add(task, after: previous) }
    last[device] = task
  }

  /// Lets `exchange` wait for all devices and for the open exchange.
  func precede(_ exchange: TaskID, in graph: inout TaskGraph) {
    for previous in last { if let previous { graph.add(exchange, after: previous) } }
    if let openExchange { graph.add(exchange, after: openExchange) }
  }

  /// `exchange` is under way, and who needs its tokens waits for it by himself.
  mutating func open(_ exchange: TaskID?) { openExchange = exchange }

  /// From here on every device waits for `exchange`.
  mutating func close(_ exchange: TaskID?) {
    guard let exchange else { return }
    for device in last.indices { last[device] = exchange }
    openExchange = nil
  }
}
