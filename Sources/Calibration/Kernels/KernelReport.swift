import Foundation
import Hardware
import Units

/// How well laws predict measured kernels, for people and programs to read.
public struct KernelReport: Codable, Sendable {
  public var device: String
  public var kernels: [Kernel]
  /// Over all kernels of a family.
  public var families: [ErrorClass]
  /// Rows that no law is about, by reason.
  public var leftOut: [String: Int]

  public struct Kernel: Codable, Sendable {
    public var family: String
    public var kernel: String
    /// The catalogue's entry that predicted; nil where the kernel was fitted here.
    public var entry: String?
    public var remarks: [String]
    public var terms: [Term]
    public var errors: ErrorClass
    /// By decade of the measured time.
    public var byTime: [ErrorClass]
    /// The rows that are met worst, the worst first.
    public var worstRows: [Outlier]
  }

  public struct Term: Codable, Sendable {
    public var key: String
    public var value: String
    public var meaning: String
    /// Standard error over value; nil where the number was held.
    public var relativeError: Double?
    /// Whether it was held because the rows do not tell it apart from others.
    public var isUntold: Bool
  }

  /// Sizes of relative errors: 0.05 is five percent.
  public struct ErrorClass: Codable, Sendable {
    public var name: String
    public var errors: ErrorSummary
    /// Of rows that the fit did not see; nil where nothing was fitted.
    public var heldOut: ErrorSummary?
  }

  public struct Outlier: Codable, Sendable {
    public var place: String
    public var measuredMicroseconds: Double
    public var predictedMicroseconds: Double
    public var error: Double
  }

  /// What a calibration found.
  public init(_ fitted: [FittedKernel], device: Device, leftOut: [LeftOutMeasurement]) {
    self.init(device, leftOut)
    kernels = fitted.map { one in
      let terms = zip(one.family.terms, zip(one.values, one.relativeErrors)).map { term, found in
        Term(
          key: term.key, value: term.written(found.0), meaning: term.meaning,
          relativeError: found.1 > 0 && found.1.isFinite ? found.1 : nil,
          isUntold: one.untold.contains(term.key))
      }
      return Kernel(
        family: one.family, kernel: one.kernel, terms: terms, one.errors, one.heldOutErrors)
    }
    families = Self.families(
      fitted.map { ($0.family, $0.errors, $0.heldOutErrors) })
  }

  /// What entries of the catalogue say of measurements; nothing is fitted.
  ///
  /// - Parameter owner: The device whose entries are taken.
  /// - Throws: ``CalibrationError/noCalibration(family:)``.
  public init(
    _ tables: KernelTables, device: Device, by owner: Device, in catalogue: HardwareCatalogue
  ) throws(CalibrationError) {
    self.init(device, tables.leftOut)
    var all: [(KernelFamily, [KernelRowError], [KernelRowError]?)] = []
    for rows in tables.kernels {
      guard
        let found = catalogue.kernelCalibration(
          rows.family, kernel: rows.kernel, on: owner)
      else {
        throw .noCalibration(family: rows.family.rawValue)
      }
      guard owner == device || found.calibration.device == owner.name else {
        throw .noCalibrationOf(device: owner.name, family: rows.family.rawValue)
      }
      let errors = rows.errors(of: found.calibration.lent(by: owner, to: device).values)
      var kernel = Kernel(family: rows.family, kernel: rows.kernel, terms: [], errors, nil)
      kernel.entry = found.calibration.name
      kernel.remarks = found.remarks
      kernels.append(kernel)
      all.append((rows.family, errors, nil))
    }
    families = Self.families(all)
  }

  private init(_ device: Device, _ leftOut: [LeftOutMeasurement]) {
    self.device = device.name
    kernels = []
    families = []
    self.leftOut = Dictionary(leftOut.map { ($0.reason, 1) }, uniquingKeysWith: +)
  }

  private static func families(
    _ all: [(family: KernelFamily, errors: [KernelRowError], heldOut: [KernelRowError]?)]
  ) -> [ErrorClass] {
    KernelFamily.allCases.compactMap { family in
      let own = all.filter { $0.family == family }
      guard !own.isEmpty else { return nil }
      let heldOut = own.compactMap(\.heldOut).flatMap { $0 }
      return ErrorClass(
        name: family.rawValue, errors: ErrorSummary(own.flatMap(\.errors)),
        heldOut: own.contains { $0.heldOut != nil } ? ErrorSummary(heldOut) : nil)
    }
  }
}

extension KernelReport.Kernel {
  private static let outliers = 3

  fileprivate init(
    family: KernelFamily, kernel: String, terms: [KernelReport.Term], _ errors: [KernelRowError],
    _ heldOut: [KernelRowError]?
  ) {
    self.family = family.rawValue
    self.kernel = kernel
    remarks = []
    self.terms = terms
    self.errors = KernelReport.ErrorClass(
      name: "all", errors: ErrorSummary(errors), heldOut: heldOut.map { ErrorSummary($0) })
    byTime = Dictionary(grouping: errors, by: \.decade).sorted { $0.key < $1.key }.map {
      decade, errors in
      KernelReport.ErrorClass(
        name: "\(Seconds(pow(10, Double(decade)))) to \(Seconds(pow(10, Double(decade + 1))))",
        errors: ErrorSummary(errors),
        heldOut: heldOut.map { ErrorSummary($0.filter { $0.decade == decade }) })
    }
    let worst = errors.enumerated().sorted {
      (abs($1.element.error), $0.offset) < (abs($0.element.error), $1.offset)
    }
    worstRows = worst.prefix(Self.outliers).map(\.element).map {
      KernelReport.Outlier(
        place: $0.place, measuredMicroseconds: $0.measured * 1e6,
        predictedMicroseconds: $0.predicted * 1e6, error: $0.error)
    }
  }
}

extension KernelRowError {
  /// The power of ten that the measured time begins with.
  var decade: Int { Int(log10(measured).rounded(.down)) }
}
