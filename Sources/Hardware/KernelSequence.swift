import Units

/// Kernels that run one after the other on one stream, as one task.
///
///     var layer = KernelSequence()
///     for kernel in kernels { layer.add(model.cost(of: kernel)) }
///     layer.duration        // sum of launches + sum of each kernel's time
///
/// A plain value: adding allocates nothing. The sum of times is kept, not the longer of sums: a
/// memory-bound kernel does not overlap with the compute-bound one behind it.
public struct KernelSequence: Hashable, Sendable {
  public private(set) var kernels = 0
  /// The launches, one after the other.
  public private(set) var launchLatency = SimTime.zero
  /// What each kernel takes alone (``KernelCost/time``), summed.
  public private(set) var busy = Seconds.zero
  public private(set) var tensorTime = Seconds.zero
  public private(set) var memoryTime = Seconds.zero
  /// Work over peak rate, summed: what the arithmetic units would need at their data-sheet rate.
  public private(set) var peakTensorTime = Seconds.zero
  public private(set) var flops = FLOPs.zero
  public private(set) var bytes = Bytes.zero
  /// Above idle.
  public private(set) var energy = Joules.zero
  /// The part of ``busy`` that arithmetic accounts for: the time of kernels whose arithmetic takes at
  /// least as long as their memory, less what of that memory is not hidden, and what is not hidden of
  /// the others' arithmetic.
  public private(set) var computeBound = Seconds.zero
  /// The rest of ``busy``.
  public private(set) var memoryBound = Seconds.zero

  @inlinable
  public init() {}

  /// Appends `count` launches of one kernel.
  public mutating func add(_ cost: KernelCost, times count: Int = 1) {
    let repeated = Double(count)
    kernels += count
    launchLatency += cost.launchLatency * count
    let time = cost.time * repeated
    busy = busy + time
    let (shorter, longer) = (
      min(cost.tensorTime, cost.memoryTime), max(cost.tensorTime, cost.memoryTime)
    )
    let exposed = max(.zero, min(cost.time - longer, shorter)) * repeated
    if cost.memoryTime > cost.tensorTime {
      memoryBound = memoryBound + (time - exposed)
      computeBound = computeBound + exposed
    } else {
      computeBound = computeBound + (time - exposed)
      memoryBound = memoryBound + exposed
    }
    tensorTime = tensorTime + cost.tensorTime * repeated
    memoryTime = memoryTime + cost.memoryTime * repeated
    peakTensorTime = peakTensorTime + cost.peakTensorTime * repeated
    flops = flops + cost.flops * repeated
    bytes = bytes + cost.bytes * repeated
    energy = energy + cost.energy * repeated
  }

  /// Appends another sequence.
  public mutating func add(_ other: KernelSequence) {
    kernels += other.kernels
    launchLatency += other.launchLatency
    busy = busy + other.busy
    tensorTime = tensorTime + other.tensorTime
    memoryTime = memoryTime + other.memoryTime
    peakTensorTime = peakTensorTime + other.peakTensorTime
    flops = flops + other.flops
    bytes = bytes + other.bytes
    energy = energy + other.energy
    computeBound = computeBound + other.computeBound
    memoryBound = memoryBound + other.memoryBound
  }

  /// Launches and work, rounded up once; never where the work never ends.
  public var duration: SimTime {
    let work = SimTime(roundingUp: busy)
    return work == .never ? .never : launchLatency + work
  }

  /// The seconds that a bound accounts for; over all bounds they add up to launches plus ``busy``.
  public func seconds(boundBy bound: KernelBound) -> Seconds {
    switch bound {
    case .compute: computeBound
    case .memory: memoryBound
    case .latency: Seconds(launchLatency)
    }
  }

  /// The bound with the most seconds; of equal ones compute before memory before latency.
  public var bound: KernelBound {
    if Seconds(launchLatency) > max(computeBound, memoryBound) { return .latency }
    return memoryBound > computeBound ? .memory : .compute
  }
}
