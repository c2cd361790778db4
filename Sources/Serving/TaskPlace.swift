import Engine
import Fabric
import Hardware
import Units

/// What a task is for and where it runs.
struct TaskPlace {
  var stage: Stage
  var layer: Int
  var device: Int

  func label(_ bound: TaskBound) -> TaskLabel {
    TaskLabel(stage: stage.rawValue, bound: bound.rawValue, layer: layer, device: device)
  }

  /// Of an exchange.
  ///
  /// - Parameters:
  ///   - latency: The exchange's whole start-up.
  ///   - span: What it takes besides, whatever the links would allow.
  func label(
    of traffic: ExchangeTraffic, latency: SimTime, atLeast span: Seconds = .zero
  ) -> TaskLabel {
    var label = label(TaskBound(traffic.bound(latency: latency)))
    label.work = .init(TaskBound(traffic.work(atLeast: span)).rawValue)
    return label
  }
}

/// The resources that kernels of one processor demand.
struct ProcessorResources {
  var cores: ResourceID
  var tensor: ResourceID
  var memory: ResourceID
  var isCompanion: Bool
}

extension DeviceResources {
  var processor: ProcessorResources {
    ProcessorResources(cores: cores, tensor: tensor, memory: memory, isCompanion: false)
  }
}

extension CompanionResources {
  var processor: ProcessorResources {
    ProcessorResources(cores: cores, tensor: tensor, memory: memory, isCompanion: true)
  }
}

extension TaskGraph {
  /// Adds kernels that run one after the other as one task: it claims the whole processor for the sum
  /// of the times that they take alone, and what they need of arithmetic units and memory.
  ///
  /// - Parameters:
  ///   - part: Of the processor, 0 to 1, which is all that the kernels claim where it is given.
  ///   - elsewhere: Bytes of theirs that are not the memory's to bring.
  mutating func add(
    _ sequence: KernelSequence, _ place: TaskPlace, on processor: ProcessorResources,
    part: Double? = nil, elsewhere: Bytes = .zero
  ) -> TaskID {
    let isCompanion = processor.isCompanion
    var label = place.label(TaskBound(sequence.bound, onCompanion: isCompanion))
    let compute = sequence.seconds(boundBy: .compute)
    label.work = .init(
      TaskBound(.compute, onCompanion: isCompanion).rawValue,
      share: sequence.busy > .zero ? compute / sequence.busy : 0,
      TaskBound(.memory, onCompanion: isCompanion).rawValue)
    let task = addTask(label, latency: sequence.launchLatency, energy: sequence.energy)
    demand(sequence.busy * (part ?? 1), of: processor.cores)
    if part != nil { takeAtLeast(sequence.busy) }
    demand(sequence.peakTensorTime, of: processor.tensor)
    demand(max(.zero, sequence.bytes - elsewhere), of: processor.memory)
    return task
  }
}
