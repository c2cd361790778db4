import Units

/// What keeps a kernel from being faster.
public enum KernelBound: String, CaseIterable, Hashable, Sendable {
  case compute, memory, latency
}

/// What one kernel takes on one device when it runs alone: by the roofline, or by the law of measured
/// kernels, which is never faster.
///
/// S. Williams, A. Waterman and D. Patterson, "Roofline: an insightful visual performance model for
/// multicore architectures", CACM 52(4), 2009.
public struct KernelCost: Hashable, Sendable {
  /// Before the kernel's work begins.
  public var launchLatency: SimTime
  public var flops: FLOPs
  public var bytes: Bytes
  /// The arithmetic alone: `flops` at the achievable rate of the operator's precision, or a law's
  /// compute part.
  public var tensorTime: Seconds
  /// `flops` at the peak rate: the share of the arithmetic units' time that is truly used.
  public var peakTensorTime: Seconds
  /// The traffic alone: `bytes` at the achievable memory bandwidth, or a law's memory part.
  public var memoryTime: Seconds
  /// Above idle; `bytes` x energy per byte + `flops` x energy per operation.
  public var energy: Joules
  /// The time of the work alone, without the launch.
  public var time: Seconds

  /// - Parameter time: The longer of `tensorTime` and `memoryTime` where nil: arithmetic and memory
  ///   overlap whole.
  @inlinable
  public init(
    launchLatency: SimTime, flops: FLOPs, bytes: Bytes, tensorTime: Seconds,
    peakTensorTime: Seconds, memoryTime: Seconds, energy: Joules,
    time: Seconds? = nil
  ) {
    self.launchLatency = launchLatency
    self.flops = flops
    self.bytes = bytes
    self.tensorTime = tensorTime
    self.peakTensorTime = peakTensorTime
    self.memoryTime = memoryTime
    self.energy = energy
    self.time = time ?? max(tensorTime, memoryTime)
  }

  /// Launch and work, rounded up once; never where the work never ends.
  @inlinable public var duration: SimTime {
    let work = SimTime(roundingUp: time)
    return work == .never ? .never : launchLatency + work
  }

  /// The largest of the three parts; of equal ones compute before memory before latency.
  @inlinable public var bound: KernelBound {
    if Seconds(launchLatency) > time { return .latency }
    return memoryTime > tensorTime ? .memory : .compute
  }
}
