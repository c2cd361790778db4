import Units

/// Where a task of the running graph stands: one cache line, for an event touches most of it.
struct TaskState: BitwiseCopyable {
  /// How many tasks it still waits for.
  var waitsFor: Int32 = 0
  /// Counts changes of the rate: an end event of an earlier generation is void.
  var generation: UInt32 = 0
  /// The generation that has an end event in the queue.
  var scheduledGeneration: UInt32 = 0
  var releasedAt = SimTime.zero
  /// When it claimed its share.
  var activeAt = SimTime.zero
  /// The share of the task that is still to be done, as of `updatedAt`.
  var remaining = 1.0
  /// Share of the task done per second.
  var rate = 0.0
  var updatedAt = SimTime.zero
  /// When the task is done if its rate stays what it is.
  var endsAt = SimTime.never
}

/// The states of all tasks and who waits for whom, in flat arrays that are reused from run to run.
struct TaskStates: ~Copyable {
  private var states = FlatArray<TaskState>()
  /// Tasks that wait for task i are entries `successorStart[i]..<successorStart[i + 1]`.
  private var successorStart = FlatArray<Int32>()
  private(set) var successor = FlatArray<Int32>()

  /// O(tasks + dependencies).
  mutating func prepare(_ graph: borrowing TaskGraph) {
    let count = graph.taskCount
    states.fill(count, with: TaskState())
    sortDependencies(graph)
  }

  subscript(task: Int) -> TaskState {
    get { states[task] }
    _modify { yield &states[task] }
  }

  func successors(of task: Int) -> Range<Int> {
    Int(successorStart[task])..<Int(successorStart[task + 1])
  }

  /// Counting sort of the dependencies by the task waited for; their order among equals is kept.
  private mutating func sortDependencies(_ graph: borrowing TaskGraph) {
    successorStart.fill(graph.taskCount + 2, with: 0)
    successor.fill(graph.dependencyCount, with: 0)
    for edge in graph.edgeFrom.indices {
      successorStart[Int(graph.edgeFrom[edge]) + 2] += 1
      states[Int(graph.edgeTo[edge])].waitsFor += 1
    }
    for task in 0..<graph.taskCount { successorStart[task + 2] += successorStart[task + 1] }
    for edge in graph.edgeFrom.indices {
      let slot = successorStart[Int(graph.edgeFrom[edge]) + 1]
      successor[Int(slot)] = graph.edgeTo[edge]
      successorStart[Int(graph.edgeFrom[edge]) + 1] = slot + 1
    }
  }
}
