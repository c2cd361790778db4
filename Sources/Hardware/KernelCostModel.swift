import Models
import Units

/// Gives each operator its time on one device: by the laws of measured kernels where there are numbers
/// for them, else by the roofline over achievable rates, plus a launch.
///
///     let model = KernelCostModel(device, for: precisions)
///     try model.require([.bf16, .fp8])                    // once, when a scenario is assembled
///     let cost = model.cost(of: kernel, rows: tokens)     // then as often as needed
///
/// Roofline: tensorTime = flops / (peak(precision) x tensor fraction), memoryTime = bytes / (bandwidth
/// x memory fraction), time = the longer of the two. A law's time is
///
///     max(total - launch, flops / peak, bytes / bandwidth)
///
/// so that no kernel is faster than the data sheet allows. What a query needs is computed once, here.
public struct KernelCostModel: Hashable, Sendable {
  public let device: Device
  /// Of kernels without a law.
  public let launchLatency: SimTime
  /// Nil where all kernels are rooflines.
  public let laws: KernelLaws?
  /// The same, asked without a copy.
  private let sharedLaws: Shared<KernelLaws>?
  /// Peak bandwidth x ``KernelEfficiency/memoryFraction``.
  public let achievableBandwidth: Bandwidth
  /// The part of the device's compute units that kernels have, in (0, 1].
  public let part: Double
  @usableFromInline let energyPerByte: EnergyPerByte
  /// By ``Precision/index``.
  @usableFromInline let rates: [Rate]

  @usableFromInline struct Rate: Hashable, Sendable {
    @usableFromInline var peak: ComputeRate
    @usableFromInline var achievable: ComputeRate
    @usableFromInline var energy: EnergyPerFLOP
  }

  /// - Parameters:
  ///   - precisions: Those of the model that runs; all kernels are rooflines where nil.
  ///   - units: Compute units that kernels have; all of the device's where nil. Arithmetic slows down
  ///     with their number. A law knows how much of the memory's bandwidth so few can use; to the
  ///     roofline they can use all of it.
  ///   - layout: How the rows of routed experts lie.
  public init(
    _ device: Device, for precisions: Precisions? = nil, units: Int? = nil,
    experts layout: ExpertLayout = .packed
  ) {
    self.device = device
    let own = units.map { device.part(units: $0) } ?? device
    part = units.map { device.share(ofUnits: $0) } ?? 1
    let part = part
    laws = precisions.flatMap { KernelLaws(own, $0, experts: layout) }
    sharedLaws = laws.map { Shared($0) }
    launchLatency = device.efficiency.launchLatency
    achievableBandwidth = device.memory.bandwidth * device.efficiency.memoryFraction
    energyPerByte = device.memory.energyPerByte
    rates = Precision.allCases.map { precision in
      guard let arithmetic = device.arithmeticPrecision(for: precision),
        let peak = device.peakRates[arithmetic]
      else { return Rate(peak: .zero, achievable: .zero, energy: .zero) }
      return Rate(
        peak: peak, achievable: peak * part * device.efficiency.tensorFraction(for: arithmetic),
        energy: EnergyPerFLOP(device.peakComputePower.value / peak.value))
    }
  }

  /// What `kernel` takes when it has the device to itself. O(1), no allocation.
  ///
  /// Arithmetic in a precision that ``require(_:)`` refuses takes infinite time: it is never free.
  ///
  /// - Parameter rows: Tokens that an elementwise kernel passes over; its roofline where nil.
  public func cost(of kernel: Operator, rows: Int? = nil) -> KernelCost {
    let roofline = cost(flops: kernel.flops, bytes: kernel.bytes, precision: kernel.precision)
    guard let parts = sharedLaws?.value.parts(of: kernel, rows: rows ?? 0) else { return roofline }
    return roofline.taking(parts, device.memory, part: part)
  }

  /// What a device's routed experts take in one call that does the work of all of `operators`; nil
  /// where no law says.
  ///
  /// - Parameters:
  ///   - load: Rows of each of the device's experts.
  ///   - chosen: Rows of each token; 1 where every row is a token of its own, as after a dispatch.
  ///   - experts: Experts that the device has, with rows or without.
  ///   - intermediate: Of an expert, as far as it is here.
  public func cost(
    ofExperts load: GroupedLoad, chosen: Int, experts: Int, hidden: Int, intermediate: Int,
    _ operators: ((Operator) -> Void) -> Void
  ) -> KernelCost? {
    let found = sharedLaws?.value.parts(
      of: load, chosen: chosen, experts: experts, hidden: hidden, intermediate: intermediate)
    guard let parts = found else { return nil }
    var roofline = KernelCost(
      launchLatency: launchLatency, flops: .zero, bytes: .zero, tensorTime: .zero,
      peakTensorTime: .zero, memoryTime: .zero, energy: .zero)
    operators {
      roofline.addWork(cost(flops: $0.flops, bytes: $0.bytes, precision: $0.precision))
    }
    return roofline.taking(parts, device.memory, part: part)
  }

  /// What a kernel of so much work takes by its roofline.
  @inlinable
  public func cost(flops: FLOPs, bytes: Bytes, precision: Precision) -> KernelCost {
    let rate = rates[precision.index]
    let computes = flops.value > 0
    return KernelCost(
      launchLatency: launchLatency, flops: flops, bytes: bytes,
      tensorTime: computes ? flops / rate.achievable : .zero,
      peakTensorTime: computes ? flops / rate.peak : .zero,
      memoryTime: bytes / achievableBandwidth,
      energy: bytes * energyPerByte + flops * rate.energy)
  }

  /// The rate large multiplications sustain; zero in a precision that ``require(_:)`` refuses.
  @inlinable
  public func achievableRate(for precision: Precision) -> ComputeRate {
    rates[precision.index].achievable
  }

  /// The peak rate; zero in a precision that ``require(_:)`` refuses.
  @inlinable
  public func peakRate(for precision: Precision) -> ComputeRate { rates[precision.index].peak }

  /// FLOPs for each byte above which a kernel is bound by arithmetic: achievable rate over
  /// achievable bandwidth.
  public func ridgePoint(for precision: Precision) -> Double {
    achievableRate(for: precision).value / achievableBandwidth.value
  }

  /// Checks that the device can compute in every one of `precisions`, itself or converted.
  ///
  /// - Throws: ``HardwareError/noRate(_:device:has:)``.
  public func require(_ precisions: some Sequence<Precision>) throws(HardwareError) {
    for precision in precisions { _ = try device.peakRate(for: precision) }
  }

  /// What results of a run in `precisions` must say: the device's remarks, where a rate or a fraction
  /// is another precision's, and where the laws of `families` have another device's numbers.
  public func remarks(
    for precisions: some Sequence<Precision>, families: [KernelFamily] = []
  ) -> [String] {
    let asked = Set(precisions)
    return device.remarks + Precision.allCases.filter(asked.contains).flatMap(substitutions)
      + (laws?.remarks(for: families) ?? [])
  }

  private func substitutions(for precision: Precision) -> [String] {
    guard let arithmetic = device.arithmeticPrecision(for: precision) else { return [] }
    // Units with both 16-bit formats run them at one rate, so a catalogue may name bf16 alone.
    let isSameRate = precision == .fp16 && arithmetic == .bf16
    if arithmetic != precision && !isSameRate {
      return [
        "\(device.name) has no \(precision.rawValue) arithmetic: elements are converted and "
          + "computed at the \(arithmetic.rawValue) rate"
      ]
    }
    guard let measured = device.efficiency.measuredPrecision(for: arithmetic),
      measured != arithmetic, !isSameRate
    else { return [] }
    return [
      "uncalibrated: \(precision.rawValue) on \(device.name) uses the fraction measured in "
        + measured.rawValue
    ]
  }
}

extension KernelCost {
  /// Does the work of `other` in the same launch, one after the other.
  @inline(__always)
  fileprivate mutating func addWork(_ other: KernelCost) {
    flops = flops + other.flops
    bytes = bytes + other.bytes
    tensorTime = tensorTime + other.tensorTime
    peakTensorTime = peakTensorTime + other.peakTensorTime
    memoryTime = memoryTime + other.memoryTime
    energy = energy + other.energy
    time = time + other.time
  }

  /// The same work in a law's time, but not faster than peaks allow.
  fileprivate func taking(
    _ parts: KernelParts, _ memory: Device.Memory, part: Double
  ) -> KernelCost {
    var cost = self
    let leastTensorTime = peakTensorTime / part
    cost.launchLatency = SimTime(roundingUp: parts.launch)
    cost.tensorTime = max(Seconds(parts.compute), leastTensorTime)
    cost.memoryTime = max(Seconds(parts.memory), bytes / memory.bandwidth)
    cost.time = max(
      Seconds(parts.total - parts.launch), leastTensorTime, bytes / memory.bandwidth)
    return cost
  }
}

extension Precision {
  /// The place in ``allCases``.
  @inlinable var index: Int {
    switch self {
    case .fp32: 0
    case .bf16: 1
    case .fp16: 2
    case .fp8: 3
    case .int8: 4
    case .fp4: 5
    case .int4: 6
    }
  }
}
