import Models
import Units

/// What kernels reach of a device generation's data-sheet peaks.
///
/// Measured on the generation, never on a model, a paper or a scenario. A device without
/// measurements takes the fractions of its nearest relative, scaled by nothing but its own data
/// sheet, and says so in its remarks.
public struct KernelEfficiency: Hashable, Sendable {
  /// The fraction of the peak rate that large multiplications sustain, by precision where it was
  /// measured; each in (0, 1].
  public var tensorFractions: [Precision: Double]
  /// The fraction of the peak memory bandwidth that streaming kernels sustain; in (0, 1].
  public var memoryFraction: Double
  /// From one kernel's end to the start of the next one's work on the same stream.
  public var launchLatency: SimTime
  /// The device whose fractions stand in where this one has none; nil where all are its own.
  public var relative: String?
  /// What is the device's own, where a relative stands in for the rest: `bf16`, `memory`.
  public var ownMeasurements: [String]

  public init(
    tensorFractions: [Precision: Double], memoryFraction: Double, launchLatency: SimTime,
    relative: String? = nil, ownMeasurements: [String] = []
  ) {
    self.tensorFractions = tensorFractions
    self.memoryFraction = memoryFraction
    self.launchLatency = launchLatency
    self.relative = relative
    self.ownMeasurements = ownMeasurements
  }

  /// The precision whose measured fraction `precision` uses: itself, or else the first measured one
  /// of bf16, fp16, fp32, fp8, int8, fp4, int4. Nil where nothing was measured.
  public func measuredPrecision(for precision: Precision) -> Precision? {
    if tensorFractions[precision] != nil { return precision }
    let order: [Precision] = [.bf16, .fp16, .fp32, .fp8, .int8, .fp4, .int4]
    return order.first { tensorFractions[$0] != nil }
  }

  /// The fraction of the peak rate that multiplications in `precision` sustain.
  public func tensorFraction(for precision: Precision) -> Double {
    measuredPrecision(for: precision).flatMap { tensorFractions[$0] } ?? 1
  }

  /// "uncalibrated: fractions of a100-sxm-80gb", where that is so.
  public var remarks: [String] {
    guard let relative else { return [] }
    let own = ownMeasurements.joined(separator: ", ")
    return ["uncalibrated: fractions of \(relative)" + (own.isEmpty ? "" : " (its own: \(own))")]
  }
}
