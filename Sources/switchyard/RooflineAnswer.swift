import Calibration
import Hardware
import Models
import Results
import Units

/// What one kernel takes by the plain roofline, which is how runs cost it on a device whose kernels no
/// law can say anything about.
struct RooflineAnswer: Encodable {
  var device: String
  var family: String
  var shape: [String: Int]
  var dtype: String
  var seconds: Double
  var launchSeconds: Double
  var computeSeconds: Double
  var memorySeconds: Double
  var bound: String
  var entry = "roofline"
  /// Kernels that are launched one after the other.
  var kernels: Int
  var remarks: [String]
  private let dimensions: String

  private enum CodingKeys: CodingKey {
    case device, family, shape, dtype, seconds, launchSeconds, computeSeconds, memorySeconds, bound
    case entry, kernels, remarks
  }

  /// Why runs cost a device's kernels by the roofline; nil where laws do, and where its own kernels were
  /// measured.
  static func reason(
    on device: Device, _ found: HardwareCatalogue.FoundKernelCalibration?
  ) -> String? {
    guard let found else { return "the catalogue has no numbers for such kernels" }
    guard device.computeUnits != nil else {
      return "the catalogue does not say how many compute units it has"
    }
    guard device.kind == .gpu || found.calibration.device == device.name else {
      return "the laws of measured kernels are of GPUs, and it is none"
    }
    return nil
  }

  /// - Throws: `CalibrationError`, `HardwareError` where the device cannot compute in the type.
  init(_ asked: KernelShape, on device: Device, because reason: String) throws {
    let operators = try asked.operators()
    let model = KernelCostModel(device)
    try model.require(operators.map(\.precision))
    var sequence = KernelSequence()
    for kernel in operators { sequence.add(model.cost(of: kernel)) }
    self.device = device.name
    family = asked.family.rawValue
    let named = zip(asked.family.dimensions, asked.dimensions)
    shape = Dictionary(uniqueKeysWithValues: named)
    dimensions = named.map { "\($0) \($1)" }.joined(separator: ", ")
    dtype = asked.type
    launchSeconds = Seconds(sequence.launchLatency).value
    seconds = launchSeconds + sequence.busy.value
    computeSeconds = sequence.tensorTime.value
    memorySeconds = sequence.memoryTime.value
    bound = sequence.bound.rawValue
    kernels = sequence.kernels
    remarks =
      ["by the plain roofline, as in runs: \(reason)"]
      + model.remarks(for: Set(operators.map(\.precision)))
  }

  var text: String {
    var times = TextTable([.left(""), .right("")])
    times.add("time", "\(Seconds(seconds))")
    times.add("  \(kernels == 1 ? "launch" : "\(kernels) launches")", "\(Seconds(launchSeconds))")
    times.add("  arithmetic alone", "\(Seconds(computeSeconds))")
    times.add("  memory alone", "\(Seconds(memorySeconds))")
    times.add("bound by", bound)
    return
      (["\(family) on \(device), \(dimensions), \(dtype)", ""] + times.lines + [""]
      + remarks.map { "- \($0)" }).joined(separator: "\n")
  }
}
