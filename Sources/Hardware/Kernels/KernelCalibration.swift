import StrictYAML

/// A law's numbers for the kernels of one library in one precision, fitted on one device.
///
///     let found = catalogue.kernelCalibration(.gemm, type: "bfloat16", on: device)
///     let seconds = GEMMLaw(found.calibration.values).parts(of: work, on: machine).total
public struct KernelCalibration: Hashable, Sendable {
  public var name: String
  /// The device that was measured.
  public var device: String
  public var family: KernelFamily
  /// The kernel's source and the type of its numbers, as the measurements name them:
  /// `vllm_flash_attn_fa3 bfloat16`.
  public var kernel: String
  /// In the order of the family's terms.
  public var values: [Double]
  /// The least and the most of each of the family's sizes (``KernelFamily/sizeNames``) among the rows
  /// that were fitted; empty where the entry does not say.
  public var measured: [ClosedRange<Int>]
  public var fit: Fit
  /// Where the measurements are from.
  public var citation: String
  /// Of entries for the same type of numbers one of the highest serves: those of files that a user names are above
  /// the program's.
  public var precedence = 0

  /// Sizes of relative errors: 0.05 is five percent.
  public struct Fit: Hashable, Sendable {
    public var date: String
    public var rows: Int
    public var median: Double
    public var ninetieth: Double
    public var worst: Double
    /// Rows that a second fit did not see, and how far it was from them.
    public var heldOut: Int
    public var heldOutMedian: Double
    public var heldOutNinetieth: Double
    /// The same by size, ascending; empty where the entry does not say.
    public var decades: [Decade]
    /// Terms that the rows do not tell apart from others, and that were held for that, by key.
    public var untold: [String]

    /// Rows that take from a power of ten of seconds to the next.
    public struct Decade: Hashable, Sendable {
      /// -5: from 10 us to 100 us.
      public var exponent: Int
      public var rows: Int
      public var median: Double
      public var ninetieth: Double
      public var worst: Double

      public init(exponent: Int, rows: Int, median: Double, ninetieth: Double, worst: Double) {
        self.exponent = exponent
        self.rows = rows
        self.median = median
        self.ninetieth = ninetieth
        self.worst = worst
      }
    }

    public init(
      date: String, rows: Int, median: Double, ninetieth: Double, worst: Double, heldOut: Int,
      heldOutMedian: Double, heldOutNinetieth: Double, decades: [Decade] = [],
      untold: [String] = []
    ) {
      self.date = date
      self.rows = rows
      self.median = median
      self.ninetieth = ninetieth
      self.worst = worst
      self.heldOut = heldOut
      self.heldOutMedian = heldOutMedian
      self.heldOutNinetieth = heldOutNinetieth
      self.decades = decades
      self.untold = untold
    }
  }

  public init(
    name: String, device: String, family: KernelFamily, kernel: String, values: [Double],
    measured: [ClosedRange<Int>] = [], fit: Fit, citation: String
  ) {
    self.name = name
    self.device = device
    self.family = family
    self.kernel = kernel
    self.values = values
    self.measured = measured
    self.fit = fit
    self.citation = citation
  }

  /// The type of the numbers: the last word of ``kernel``.
  public var numberType: String { Self.numberType(of: kernel) }

  public static func numberType(of kernel: String) -> String {
    kernel.split(separator: " ").last.map(String.init) ?? kernel
  }

  /// The type itself and those that stand in for it, the nearest first, as tables name them: 16-bit types are as
  /// good as each other, narrow weights are widened, and numbers of 8 and 4 bits are nearest to fp8.
  public static func nearestTypes(to type: String) -> [String] {
    switch type {
    case "bfloat16", "bf16": [type, "bfloat16", "float16"]
    case "float16", "fp16": [type, "float16", "bfloat16"]
    case _ where type.hasSuffix("4_wo"): [type, "int4_wo", "bfloat16", "float16"]
    case _ where type.hasSuffix("_wo"): [type, "int8_wo", "bfloat16", "float16"]
    case _ where ["fp8", "int8", "fp4", "int4"].contains(where: type.hasPrefix):
      [type, "fp8", "fp8_block", "bfloat16"]
    default: [type]
    }
  }
}

extension HardwareCatalogue {
  /// The kernels of one file alone, whose devices are this catalogue's.
  ///
  /// - Throws: ``Problems``: everything wrong with the file.
  public func kernels(inFile path: String) throws(Problems) -> [KernelCalibration] {
    let problems = ProblemCollector()
    var document = CatalogueDocument()
    document.add(try Value.contents(ofFile: path), problems)
    let found = document.kernels.compactMap { $0.kernelCalibration(devices, problems) }
    try problems.throwIfAny()
    return found
  }

  /// A calibration, and what results that use it must say.
  public struct FoundKernelCalibration: Hashable, Sendable {
    public var calibration: KernelCalibration
    /// `uncalibrated: kernels of h100-sxm`, where the measurements are of something else.
    public var remarks: [String]
  }

  /// The calibration that was measured nearest to the question; nil where the family has none.
  ///
  /// In this order: the device itself, or else the device whose fractions it borrows, or else the last
  /// one of the catalogue; the kernel itself (the last entry of it, so that a user's goes before the
  /// program's), or else the one for the same type of numbers that was fitted to most rows, or for the nearest
  /// type (``KernelCalibration/nearestTypes(to:)``), or else the first. O(entries).
  ///
  /// - Parameters:
  ///   - kernel: As in ``KernelCalibration/kernel``; nil for any.
  ///   - type: The type of the numbers, where any kernel will do.
  public func kernelCalibration(
    _ family: KernelFamily, kernel: String? = nil, type: String? = nil, on device: Device
  ) -> FoundKernelCalibration? {
    let own = kernels(of: family, nearestTo: device)
    guard let owner = own.first?.device else { return nil }
    var remarks = owner == device.name ? [] : [KernelCalibration.remark(relative: owner)]
    let type = kernel.map(KernelCalibration.numberType) ?? type
    let ofKernel = own.last { $0.kernel == kernel }
    let ofType = own.filter { $0.numberType == type }.mostRows
    let ofOther = type.flatMap { type in
      KernelCalibration.nearestTypes(to: type).lazy.compactMap { other in
        own.filter { $0.numberType == other }.mostRows
      }.first
    }
    let first = own.first { $0.expertLayout == .packed } ?? own.first
    guard let found = ofKernel ?? ofType ?? ofOther ?? first else { return nil }
    if let kernel, ofKernel == nil {
      remarks.append(found.remark(standingInFor: kernel))
    } else if let type, ofKernel == nil, ofType == nil {
      remarks.append(found.remark(standingInFor: type))
    }
    return FoundKernelCalibration(calibration: found, remarks: remarks)
  }

  /// All of a family's entries for the device itself, or else, as they are lent, for the device whose
  /// fractions it borrows, or else for the last one of the catalogue. O(entries).
  private func kernels(
    of family: KernelFamily, nearestTo device: Device
  ) -> [KernelCalibration] {
    let candidates = kernels.filter { $0.family == family }
    let measured = [device.name, device.efficiency.relative].compactMap { $0 }
    let name =
      measured.first { name in candidates.contains { $0.device == name } }
      ?? candidates.last?.device
    let own = candidates.filter { $0.device == name }
    guard name != device.name, let owner = devices.first(where: { $0.name == name }) else {
      return own
    }
    return own.map { $0.lent(by: owner, to: device) }
  }

  /// The same of every family: what ``Device/kernels`` holds.
  func kernels(nearestTo device: Device) -> [KernelCalibration] {
    KernelFamily.allCases.flatMap { kernels(of: $0, nearestTo: device) }
  }
}

extension [KernelCalibration] {
  /// Of those of the highest precedence the entry that was fitted to most rows; of equal ones the first.
  var mostRows: KernelCalibration? {
    reduce(nil) { best, entry in
      guard let best else { return entry }
      return (entry.precedence, entry.fit.rows) > (best.precedence, best.fit.rows) ? entry : best
    }
  }
}

extension KernelCalibration {
  /// What results must say where the numbers are another device's.
  static func remark(relative: String) -> String { "uncalibrated: kernels of \(relative)" }

  /// What results must say where the numbers are of another type or library.
  func remark(standingInFor asked: String) -> String {
    "uncalibrated: \(asked) takes the numbers of \(kernel)"
  }
}
