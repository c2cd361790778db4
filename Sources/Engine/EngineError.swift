import Units

/// Why a run cannot go on. ``sentence`` is what a person reads.
public enum EngineError: Error, Hashable, Sendable {
  /// Tasks that wait for each other, or for a task that never ends.
  case neverReleased(waiting: Int, examples: [TaskLabel])
  /// Tasks that demand a resource whose capacity is zero.
  case noCapacity(task: TaskLabel, resource: String)
  /// A task would end after the last moment that simulated time can tell (106 days).
  case beyondTime(task: TaskLabel)
  /// No fair rates were found for tasks that share resources: a defect, not an input.
  case unfairSharing(tasks: [TaskLabel])
  /// A law of the engine does not hold: a defect, not an input.
  case lawBroken(String)

  public var sentence: String { sentence { "stage \($0)" } }

  /// - Parameter stageName: Turns a label's stage into the word people know it by.
  public func sentence(stageName: (UInt8) -> String) -> String {
    func name(_ label: TaskLabel) -> String {
      let device =
        label.device == TaskLabel.everyDevice ? "all devices" : "device \(label.device)"
      let layer = label.layer < 0 ? "" : " of layer \(label.layer)"
      return "\(stageName(label.stage))\(layer) on \(device)"
    }
    switch self {
    case .neverReleased(let waiting, let examples):
      return
        "the run is stuck: \(waiting) tasks wait for each other or for a task that never ends: "
        + examples.map(name).joined(separator: ", ") + (waiting > examples.count ? ", ..." : "")
    case .noCapacity(let task, let resource):
      return "the run is stuck: \(name(task)) needs '\(resource)', whose capacity is zero"
    case .beyondTime(let task):
      return "\(name(task)) would end more than 106 days into the run; is a capacity too small?"
    case .unfairSharing(let tasks):
      return "no fair rates were found (please report this) for "
        + tasks.map(name).joined(separator: ", ")
    case .lawBroken(let law):
      return "a law of the engine does not hold (please report this): \(law)"
    }
  }
}
