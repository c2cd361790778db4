import Models
import Units

/// A processor with memory of its own, as its data sheet describes it.
///
///     let device = try HardwareCatalogue.load().device(named: "h100-sxm")
///     let model = KernelCostModel(device)
///     let cost = model.cost(of: projection)
///
/// All rates are peaks; ``efficiency`` says what kernels reach of them. Every number's source
/// stands in ``facts``.
public struct Device: Hashable, Sendable {
  /// The catalogue name: `h100-sxm`.
  public var name: String
  /// The maker's name: `NVIDIA H100 SXM5 80 GB`.
  public var fullName: String
  public var kind: Kind
  /// Dense multiplications (no structured sparsity), a multiply-accumulate counting two.
  public var peakRates: [Precision: ComputeRate]
  public var memory: Memory
  /// Streaming multiprocessors, or what the maker calls the like; nil where unknown.
  public var computeUnits: Int?
  /// The device that has the same compute units, where the maker limits this one's arithmetic and
  /// leaves their caches and paths as they are; nil elsewhere.
  public var unitsLike: String?
  /// The link to the other devices of a node; nil where they only meet over the host link.
  public var scaleUp: Attachment?
  /// The link to the host; for a processor, one x16 slot of its own.
  public var hostLink: Attachment?
  /// The network card that usually comes with one device.
  public var network: Attachment?
  public var thermalDesignPower: Power
  public var idlePower: Power
  public var efficiency: KernelEfficiency
  /// What was measured of its kernels, or of its nearest relative's where a family has nothing of its
  /// own; empty where nobody's were and where it takes none (``takesKernels``). In the catalogue's order.
  public var kernels: [KernelCalibration] = []
  /// Every number of the entry with its source, in the order of the catalogue file.
  public var facts: [SourcedFact]
  /// What else the sources say; empty where nothing.
  public var notes: String

  public enum Kind: String, CaseIterable, Hashable, Sendable {
    case gpu, cpu, npu
    /// Arithmetic in or next to memory: in its stacks, on its modules.
    case nearMemory = "near-memory"
    /// A drive: it holds bytes and computes nothing.
    case storage
  }

  public init(
    name: String, fullName: String, kind: Kind, peakRates: [Precision: ComputeRate],
    memory: Memory, scaleUp: Attachment? = nil, hostLink: Attachment? = nil,
    network: Attachment? = nil, thermalDesignPower: Power, idlePower: Power,
    efficiency: KernelEfficiency, facts: [SourcedFact] = [], notes: String = ""
  ) {
    self.name = name
    self.fullName = fullName
    self.kind = kind
    self.peakRates = peakRates
    self.memory = memory
    self.scaleUp = scaleUp
    self.hostLink = hostLink
    self.network = network
    self.thermalDesignPower = thermalDesignPower
    self.idlePower = idlePower
    self.efficiency = efficiency
    self.facts = facts
    self.notes = notes
  }

  /// What results that used this device must say: fractions of another device, unverified numbers.
  public var remarks: [String] { efficiency.remarks + facts.unverifiedRemarks(of: name) }
}

extension Device {
  /// Whether the laws of kernels say anything of it: a GPU of which the catalogue says how many compute
  /// units it has.
  var takesKernels: Bool { kind == .gpu && computeUnits != nil }

  /// The memory that a device's kernels stream from.
  public struct Memory: Hashable, Sendable {
    /// `hbm3`, `ddr5`, ...: a memory kind of the catalogue.
    public var kind: String
    /// As the data sheet prints it, GB read as 10^9 bytes. Memory chips come in powers of two, so
    /// that the true capacity is up to 7 % more; error correction and the driver take of that.
    public var capacity: Bytes
    /// Peak, of reads and writes together.
    public var bandwidth: Bandwidth
    /// The last-level cache on the chip; nil where unknown.
    public var cache: Bytes?
    /// What moving one byte between memory and processor takes.
    public var energyPerByte: EnergyPerByte
    /// Whether the memory's power is part of the device's thermal design power: it is for memory on
    /// the package or card, not for the DIMMs of a CPU.
    public var isWithinDesignPower: Bool

    public init(
      kind: String, capacity: Bytes, bandwidth: Bandwidth, cache: Bytes? = nil,
      energyPerByte: EnergyPerByte, isWithinDesignPower: Bool = true
    ) {
      self.kind = kind
      self.capacity = capacity
      self.bandwidth = bandwidth
      self.cache = cache
      self.energyPerByte = energyPerByte
      self.isWithinDesignPower = isWithinDesignPower
    }
  }

  /// A device's end of a link.
  public struct Attachment: Hashable, Sendable {
    /// The catalogue name of the link: `nvlink4`.
    public var link: String
    /// Nominal, each direction, all lanes of the device together.
    public var bandwidth: Bandwidth

    public init(link: String, bandwidth: Bandwidth) {
      self.link = link
      self.bandwidth = bandwidth
    }
  }
}

/// Rates in precisions that the device may not have.
extension Device {
  /// The precision the arithmetic of `precision` really runs in: itself where the device has a rate
  /// for it, or else the next wider one that it has.
  ///
  /// fp8 -> bf16 -> fp16 -> fp32, int8 -> bf16 ..., fp4 -> fp8 ..., int4 -> int8 ...: elements are
  /// converted on their way in, so that the bytes stay those of the narrow format. bf16 and fp16
  /// stand in for each other: tensor units that have both run them at one rate. Nothing stands in
  /// for fp32, because the sums would lose precision. Nil where the device has neither.
  public func arithmeticPrecision(for precision: Precision) -> Precision? {
    let chain: [Precision] =
      switch precision {
      case .fp32: [.fp32]
      case .bf16: [.bf16, .fp16, .fp32]
      case .fp16: [.fp16, .bf16, .fp32]
      case .fp8: [.fp8, .bf16, .fp16, .fp32]
      case .int8: [.int8, .bf16, .fp16, .fp32]
      case .fp4: [.fp4, .fp8, .bf16, .fp16, .fp32]
      case .int4: [.int4, .int8, .bf16, .fp16, .fp32]
      }
    return chain.first { peakRates[$0] != nil }
  }

  /// The peak rate at which `precision` runs, by the rule of ``arithmeticPrecision(for:)``.
  ///
  /// - Throws: ``HardwareError/noRate(_:device:has:)``.
  public func peakRate(for precision: Precision) throws(HardwareError) -> ComputeRate {
    guard let rate = arithmeticPrecision(for: precision).flatMap({ peakRates[$0] }) else {
      let has = Precision.allCases.filter { peakRates[$0] != nil }
      throw .noRate(precision, device: name, has: has)
    }
    return rate
  }
}

/// Some of a device's compute units.
extension Device {
  /// What `units` of ``computeUnits`` are of the whole; 1 where those are unknown.
  public func share(ofUnits units: Int) -> Double {
    computeUnits.map { min(1, Double(units) / Double(max(1, $0))) } ?? 1
  }

  /// The device as kernels see it that have `units` of its compute units: as much slower in
  /// arithmetic, with the memory and the cache of the whole.
  func part(units: Int) -> Device {
    var part = self
    part.peakRates = peakRates.mapValues { $0 * share(ofUnits: units) }
    part.computeUnits = computeUnits.map { min($0, units) }
    return part
  }
}

/// Energy. The run adds ``idlePower`` for the whole time; what is here comes on top of it. Energy of
/// links is not modelled.
extension Device {
  /// What the memory draws at peak bandwidth, above idle.
  public var peakMemoryPower: Power {
    Power(memory.bandwidth.value * memory.energyPerByte.value)
  }

  /// What the arithmetic units draw at their peak rate, above idle, in any precision.
  ///
  /// Derived, not measured: the device is taken to draw its thermal design power when arithmetic and
  /// memory are both saturated, so this is the design power less ``idlePower`` less
  /// ``peakMemoryPower`` (the latter only where the memory is within the design power).
  public var peakComputePower: Power {
    let memoryShare = memory.isWithinDesignPower ? peakMemoryPower : .zero
    return thermalDesignPower - idlePower - memoryShare
  }

  /// Energy for each operation in `precision`: ``peakComputePower`` over the peak rate. An fp8
  /// operation thus takes half of a bf16 one where the fp8 rate is twice as high.
  ///
  /// - Throws: ``HardwareError/noRate(_:device:has:)``.
  public func energyPerFLOP(for precision: Precision) throws(HardwareError) -> EnergyPerFLOP {
    EnergyPerFLOP(peakComputePower.value / (try peakRate(for: precision)).value)
  }
}
