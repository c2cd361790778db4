import Engine

/// The last tasks of a chain of stages: what the next task of each device waits for.
struct TaskFrontier {
  private var last: [TaskID?]
  /// What ran beside it, on the device's companion.
  private var beside: [TaskID?]
  /// An exchange that only tasks which need its tokens wait for.
  private(set) var openExchange: TaskID?

  init(devices: Int) {
    last = [TaskID?](repeating: nil, count: devices)
    beside = last
  }

  /// What a device did last.
  subscript(device: Int) -> TaskID? { last[device] }

  /// Forgets everything and keeps the memory.
  mutating func removeAll() {
    for device in last.indices {
      last[device] = nil
      beside[device] = nil
    }
    openExchange = nil
  }

  /// Lets `task` follow what `device` and its companion did last.
  func precede(_ task: TaskID, of device: Int, in graph: inout TaskGraph) {
    if let previous = last[device] { graph.add(task, after: previous) }
    if let previous = beside[device] { graph.add(task, after: previous) }
  }

  /// From here on `device` waits for these.
  mutating func advance(_ device: Int, to task: TaskID?, beside other: TaskID? = nil) {
    guard task != nil || other != nil else { return }
    last[device] = task ?? other
    beside[device] = task == nil ? nil : other
  }

  /// Lets `task`, of one device, follow what that device did last, and the next follow it.
  mutating func append(_ task: TaskID, of device: Int, to graph: inout TaskGraph) {
    precede(task, of: device, in: &graph)
    advance(device, to: task)
  }

  /// Lets `exchange` wait for all devices and for the open exchange.
  func precede(_ exchange: TaskID, in graph: inout TaskGraph) {
    for device in last.indices { precede(exchange, of: device, in: &graph) }
    if let openExchange { graph.add(exchange, after: openExchange) }
  }

  /// `exchange` is under way, and who needs its tokens waits for it by himself.
  mutating func open(_ exchange: TaskID?) { openExchange = exchange }

  /// From here on every device waits for `exchange`.
  mutating func close(_ exchange: TaskID?) {
    guard let exchange else { return }
    for device in last.indices { advance(device, to: exchange) }
    openExchange = nil
  }
}
