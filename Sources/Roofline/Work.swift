import Models
import Units

/// What something asks of a machine: operations, and an amount of each resource.
///
///     var layer = Work()
///     layer.add(machine.work(of: projection), times: 8)
///     machine.times(of: layer).bound          // seconds, work divided perfectly
public struct Work: Hashable, Sendable {
  /// Operations in any precision, wherever they are done.
  public private(set) var flops = FLOPs.zero
  /// By ``Resource``: bytes, or seconds of one device's peak.
  private var amounts = SIMD16<Double>.zero

  public init() {}

  /// So many bytes of one resource.
  public init(_ bytes: Bytes, of resource: Resource) {
    amounts[resource.rawValue] = bytes.value
  }

  /// - Parameter seconds: Of one device (or companion) at its peak.
  init(
    _ flops: FLOPs, _ seconds: Seconds, _ arithmetic: Resource, _ bytes: Bytes, _ memory: Resource
  ) {
    self.flops = flops
    amounts[arithmetic.rawValue] = seconds.value
    amounts[memory.rawValue] = bytes.value
  }

  public mutating func add(_ other: Work, times count: Double = 1) {
    flops = flops + other.flops * count
    amounts += other.amounts * count
  }

  /// What moves through a memory or over links; nothing of resources that compute.
  public func bytes(of resource: Resource) -> Bytes {
    resource.carriesBytes ? Bytes(amounts[resource.rawValue]) : .zero
  }

  /// Base units: bytes, or seconds of one device's peak.
  func amount(of resource: Resource) -> Double { amounts[resource.rawValue] }

  public static func * (work: Work, factor: Double) -> Work {
    var scaled = Work()
    scaled.add(work, times: factor)
    return scaled
  }
}
