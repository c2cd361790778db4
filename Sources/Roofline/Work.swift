import Units

/// What something asks of a machine: operations, and an amount of each resource.
///
///     var layer = Work()
///     layer.add(machine.work(of: projection), times: 8)
///     machine.times(of: layer).bound          // seconds, work divided perfectly
public struct Work: Hashable, Sendable {
  /// By ``Processor``: operations in any precision.
  private var operations = SIMD4<Double>.zero
  /// By ``Resource``: bytes, or seconds of one device's peak.
  private var amounts = SIMD16<Double>.zero

  public init() {}

  /// So many bytes of one resource.
  public init(_ bytes: Bytes, of resource: Resource) {
    amounts[resource.rawValue] = bytes.value
  }

  /// - Parameter seconds: Of one device (or companion) at its peak.
  init(_ flops: FLOPs, _ seconds: Seconds, _ bytes: Bytes, on processor: Processor) {
    operations[processor.rawValue] = flops.value
    amounts[processor.arithmetic.rawValue] = seconds.value
    amounts[processor.memory.rawValue] = bytes.value
  }

  public mutating func add(_ other: Work, times count: Double = 1) {
    operations += other.operations * count
    amounts += other.amounts * count
  }

  /// Operations in any precision, wherever they are done.
  public var flops: FLOPs { FLOPs(operations.sum()) }

  /// Those that one kind of processor does; of `shared` those that either may do.
  public func flops(on processor: Processor) -> FLOPs { FLOPs(operations[processor.rawValue]) }

  /// What moves through a memory or over links; nothing of resources that compute.
  public func bytes(of resource: Resource) -> Bytes {
    resource.carriesBytes ? Bytes(amounts[resource.rawValue]) : .zero
  }

  /// What moves out of devices, or between them and their companions.
  public var linkBytes: Bytes {
    bytes(of: .scaleUp) + bytes(of: .network) + bytes(of: .companionLink)
      + bytes(of: .linkToCompanion)
  }

  /// A processor's FLOPs for each byte of its memory, whoever moves that; nil where it moves none or does
  /// none.
  public func intensity(on processor: Processor) -> Double? {
    let (flops, bytes) = (flops(on: processor), bytes(of: processor.memory))
    return flops > .zero && bytes > .zero ? flops.value / bytes.value : nil
  }

  /// Base units: bytes, or seconds of one device's peak.
  func amount(of resource: Resource) -> Double { amounts[resource.rawValue] }

  public static func * (work: Work, factor: Double) -> Work {
    var scaled = Work()
    scaled.add(work, times: factor)
    return scaled
  }
}
