import Units

/// Where each task of the running graph stands, in flat arrays that are reused from run to run.
struct TaskStates: ~Copyable {
  /// How many tasks it still waits for.
  var waitsFor = FlatArray<Int32>()
  var releasedAt = FlatArray<SimTime>()
  /// The share of the task that is still to be done, as of `updatedAt`.
  var remaining = FlatArray<Double>()
  /// Share of the task done per second.
  var rate = FlatArray<Double>()
  var updatedAt = FlatArray<SimTime>()
  /// When the task is done if its rate stays what it is.
  var endsAt = FlatArray<SimTime>()
  /// Counts changes of the rate: an end event of an earlier generation is void.
  var generation = FlatArray<UInt32>()
  /// The generation that has an end event in the queue.
  var scheduledGeneration = FlatArray<UInt32>()
  /// Tasks that wait for task i are entries `successorStart[i]..<successorStart[i + 1]`.
  private var successorStart = FlatArray<Int32>()
  private(set) var successor = FlatArray<Int32>()

  /// O(tasks + dependencies).
  mutating func prepare(_ graph: borrowing TaskGraph) {
    let count = graph.taskCount
    waitsFor.fill(count, with: 0)
    releasedAt.fill(count, with: .zero)
    remaining.fill(count, with: 1)
    rate.fill(count, with: 0)
    updatedAt.fill(count, with: .zero)
    endsAt.fill(count, with: .never)
    generation.fill(count, with: 0)
    scheduledGeneration.fill(count, with: 0)
    sortDependencies(graph)
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
      waitsFor[Int(graph.edgeTo[edge])] += 1
    }
    for task in 0..<graph.taskCount { successorStart[task + 2] += successorStart[task + 1] }
    for edge in graph.edgeFrom.indices {
      let slot = successorStart[Int(graph.edgeFrom[edge]) + 1]
      successor[Int(slot)] = graph.edgeTo[edge]
      successorStart[Int(graph.edgeFrom[edge]) + 1] = slot + 1
    }
  }
}
