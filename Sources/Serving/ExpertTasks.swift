import Engine
import Fabric
import Hardware
import Units

/// The tasks of one device's experts of a layer, on the device and on its companion.
///
/// Experts that live behind a link and that the device runs come one after the other, each behind the
/// one before on the link, and compute in that order. Vectors of the others' tokens go over the link,
/// and what was made of them comes back.
struct ExpertTasks {
  private let times: CompanionTimes
  private let place: TaskPlace
  private let resources: DeviceResources
  /// The last task of each side; nil where it has none.
  private(set) var onDevice: TaskID?
  private(set) var onCompanion: TaskID?

  init(_ times: CompanionTimes, _ place: TaskPlace, _ resources: DeviceResources) {
    self.times = times
    self.place = place
    self.resources = resources
  }

  /// - Parameter dispatch: Brings the tokens; nil where they are there.
  mutating func append(
    _ shares: ExpertShares, after frontier: TaskFrontier, _ dispatch: TaskID?,
    to graph: inout TaskGraph
  ) {
    guard let companion = resources.companion else { return }
    func start(_ task: TaskID, after previous: TaskID?, _ graph: inout TaskGraph) {
      if let previous { return graph.add(task, after: previous) }
      frontier.precede(task, of: place.device, in: &graph)
      if let dispatch { graph.add(task, after: dispatch) }
    }
    if let way = companion.way {
      var copied: TaskID?
      for expert in shares.device {
        let copy = addMove(
          .expertTransfer, times.companion.expertBytes, over: way.from,
          energy: times.companion.fetchEnergy, &graph)
        graph.demand(times.companion.expertBytes, of: companion.memory)
        graph.demand(times.companion.expertBytes, of: resources.memory)
        start(copy, after: copied, &graph)
        copied = copy
        let task = addExperts([expert], of: 1, to: &graph)
        start(task, after: onDevice, &graph)
        graph.add(task, after: copy)
        onDevice = task
      }
    } else if !shares.device.isEmpty {
      let task = addExperts(shares.device, of: times.count, to: &graph)
      start(task, after: nil, &graph)
      onDevice = task
    }
    guard !shares.companion.isEmpty else { return }
    let vectors = times.companion.vectors(of: shares.companion, tokens: times.tokens)
    if let way = companion.way {
      let there = addMove(.vectorTransfer, vectors.there, over: way.to, &graph)
      start(there, after: nil, &graph)
      onCompanion = there
    }
    let work = graph.add(
      times.companion.sequence(of: shares.companion), place, on: companion.processor)
    start(work, after: onCompanion, &graph)
    onCompanion = work
    if let way = companion.way {
      let back = addMove(.vectorTransfer, vectors.back, over: way.from, &graph)
      graph.add(back, after: work)
      onCompanion = back
    }
  }

  private func addExperts(
    _ experts: [ExpertShares.Expert], of count: Int, to graph: inout TaskGraph
  ) -> TaskID {
    let load = GroupedLoad(counts: experts.map(\.tokens))
    return graph.add(
      times.costs.routedExperts(load, of: count), place, on: resources.processor)
  }

  private func addMove(
    _ stage: Stage, _ bytes: Bytes, over link: ResourceID, energy: Joules = .zero,
    _ graph: inout TaskGraph
  ) -> TaskID {
    var place = place
    place.stage = stage
    let isBack = resources.companion?.way.map { $0.from == link } ?? true
    let task = graph.addTask(
      place.label(isBack ? .companionLink : .linkToCompanion),
      latency: times.companion.companion.port?.latency ?? .zero,
      energy: energy)
    graph.demand(bytes, of: link)
    return task
  }
}
