import Models
import Units

/// What a kernel's law needs of a device's data sheet.
public struct KernelMachine: Hashable, Sendable {
  /// Dense peak rate of the precision that is computed in, FLOP/s.
  public var peak: Double
  /// Peak bandwidth of the device's memory, B/s.
  public var bandwidth: Double
  /// Last-level cache, B.
  public var cache: Double
  /// Compute units that run a tile each: streaming multiprocessors, cores.
  public var units: Int

  @inlinable
  public init(peak: Double, bandwidth: Double, cache: Double, units: Int) {
    self.peak = peak
    self.bandwidth = bandwidth
    self.cache = cache
    self.units = units
  }
}

/// What one launch takes, in seconds and in parts.
public struct KernelParts: Hashable, Sendable {
  /// Before and between the work: launches, prologues and what else does not grow with the work.
  public var launch: Double
  /// The arithmetic alone.
  public var compute: Double
  /// The traffic alone.
  public var memory: Double
  /// All of it; how much of the parts overlaps is the law's business.
  public var total: Double

  @inlinable
  public init(launch: Double, compute: Double, memory: Double, total: Double) {
    self.launch = launch
    self.compute = compute
    self.memory = memory
    self.total = total
  }
}

/// One fitted number of a law.
public struct KernelTerm: Hashable, Sendable {
  /// How it is searched.
  public enum Scale: Hashable, Sendable {
    /// By its value: fractions, exponents.
    case linear
    /// By its logarithm: times, rates, sizes; only positive values.
    case logarithmic
  }

  /// As the catalogue has it: `launch`.
  public var key: String
  /// `s`, `B`, `B/s`, or `1` where it is a plain number.
  public var unit: String
  /// What it stands for, in one sentence.
  public var meaning: String
  /// Where a search begins; strictly within the range.
  public var start: Double
  /// What it may be.
  public var range: ClosedRange<Double>
  public var scale: Scale
  public var lending: Lending

  /// What another device's data sheet changes of it (``KernelCalibration/lent(by:to:)``).
  public enum Lending: Hashable, Sendable {
    case unchanged
    /// It goes with the peak rate over the thermal design power: what arithmetic takes of the power.
    case byPower
    /// It is a rate of a compute unit over the unit's peak: where the maker limits the peak of like
    /// units, the rate stays.
    case byUnit
  }

  public init(
    _ key: String, unit: String, meaning: String, start: Double, in range: ClosedRange<Double>,
    scale: Scale = .logarithmic, lending: Lending = .unchanged
  ) {
    self.key = key
    self.unit = unit
    self.meaning = meaning
    self.start = start
    self.range = range
    self.scale = scale
    self.lending = lending
  }
}

/// What answers how long a kernel takes on a machine.
public protocol KernelFormula: Hashable, Sendable {
  /// What one launch has to do.
  associatedtype Work: SizedWork

  /// What `work` takes on `machine`. O(1).
  func parts(of work: Work, on machine: KernelMachine) -> KernelParts
}

/// How long a family of kernels takes, as a formula with a few numbers of one kernel library on one
/// device generation. What differs between devices of a generation is in ``KernelMachine``.
///
///     let law = GEMMLaw(values)
///     let seconds = law.parts(of: work, on: machine).total
///
/// Whoever asks often prepares a law once for its machine, which changes no answer:
///
///     let prepared = law.prepared(for: machine)
///     let seconds = prepared.parts(of: work).total
public protocol KernelLaw: KernelFormula {
  /// The law on one machine; ``PlainlyPreparedLaw`` where little can be worked out beforehand.
  associatedtype Prepared: PreparedKernelLaw = PlainlyPreparedLaw<Self>
  where Prepared.Work == Work

  /// The law's numbers, in the order of ``values``.
  static var terms: [KernelTerm] { get }

  /// - Parameter values: One for each of ``terms``; what is missing takes the term's start.
  init(_ values: [Double])

  /// In the order of ``terms``.
  var values: [Double] { get }

  /// With all that depends on no work worked out. O(1).
  func prepared(for machine: KernelMachine) -> Prepared
}

/// A law on one machine.
public protocol PreparedKernelLaw: Hashable, Sendable {
  associatedtype Work: SizedWork

  /// What `work` takes. O(1), no allocation.
  func parts(of work: Work) -> KernelParts
}

/// A law beside its machine.
public struct PlainlyPreparedLaw<Law: KernelFormula>: PreparedKernelLaw {
  let law: Law
  let machine: KernelMachine

  public func parts(of work: Law.Work) -> KernelParts { law.parts(of: work, on: machine) }
}

extension KernelLaw where Prepared == PlainlyPreparedLaw<Self> {
  public func prepared(for machine: KernelMachine) -> Prepared {
    PlainlyPreparedLaw(law: self, machine: machine)
  }
}

extension KernelMachine {
  /// What `device` offers to kernels that multiply in `precision`; nil where its data sheet does not
  /// say how many units it has, or where it has no rate for the precision.
  public init?(_ device: Device, _ precision: Precision) {
    guard let units = device.computeUnits,
      let arithmetic = device.arithmeticPrecision(for: precision),
      let peak = device.peakRates[arithmetic]
    else { return nil }
    self.init(
      peak: peak.value, bandwidth: device.memory.bandwidth.value,
      cache: device.memory.cache?.value ?? 0, units: units)
  }
}
