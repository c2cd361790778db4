import Models
import Units

/// Gives each operator its time on one device: roofline over achievable rates, plus a launch.
///
///     let model = KernelCostModel(device)
///     try model.require([.bf16, .fp8])          // once, when a scenario is assembled
///     let cost = model.cost(of: kernel)         // then as often as needed
///
/// tensorTime = flops / (peak(precision) x tensor fraction), memoryTime = bytes / (bandwidth x
/// memory fraction). What a query needs is computed once, here, and lies in arrays by precision.
public struct KernelCostModel: Hashable, Sendable {
  public let device: Device
  public let launchLatency: SimTime
  /// Peak bandwidth x ``KernelEfficiency/memoryFraction``.
  public let achievableBandwidth: Bandwidth
  @usableFromInline let energyPerByte: EnergyPerByte
  /// By ``Precision/index``.
  @usableFromInline let rates: [Rate]

  @usableFromInline struct Rate: Hashable, Sendable {
    @usableFromInline var peak: ComputeRate
    @usableFromInline var achievable: ComputeRate
    @usableFromInline var energy: EnergyPerFLOP
  }

  public init(_ device: Device) {
    self.device = device
    launchLatency = device.efficiency.launchLatency
    achievableBandwidth = device.memory.bandwidth * device.efficiency.memoryFraction
    energyPerByte = device.memory.energyPerByte
    rates = Precision.allCases.map { precision in
      guard let arithmetic = device.arithmeticPrecision(for: precision),
        let peak = device.peakRates[arithmetic]
      else { return Rate(peak: .zero, achievable: .zero, energy: .zero) }
      return Rate(
        peak: peak, achievable: peak * device.efficiency.tensorFraction(for: arithmetic),
        energy: EnergyPerFLOP(device.peakComputePower.value / peak.value))
    }
  }

  /// What `kernel` takes when it has the device to itself. O(1), no allocation.
  ///
  /// Arithmetic in a precision that ``require(_:)`` refuses takes infinite time: it is never free.
  @inlinable
  public func cost(of kernel: Operator) -> KernelCost {
    cost(flops: kernel.flops, bytes: kernel.bytes, precision: kernel.precision)
  }

  /// What a kernel of so much work takes.
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

  /// What results of a run in `precisions` must say: the device's remarks, and where a rate or a
  /// fraction is another precision's.
  public func remarks(for precisions: some Sequence<Precision>) -> [String] {
    let asked = Set(precisions)
    return device.remarks + Precision.allCases.filter(asked.contains).flatMap(substitutions)
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

extension Precision {
  /// The place in ``allCases``.
  @usableFromInline var index: Int {
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
