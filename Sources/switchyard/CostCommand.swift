import ArgumentParser
import Calibration
import Foundation
import Hardware
import Results
import Units

struct CostCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "cost",
    abstract: "Says what one kernel takes on a device, and which numbers say so.",
    discussion: """
      Weights and caches come from memory; experts' rows are spread evenly. Devices whose kernels \
      runs cost by the roofline are answered by the roofline, and that is said. Shapes:

        gemm               m n k
        grouped-gemm       rows experts n k
        experts            tokens hidden intermediate experts top-k
        attention-decode   sequences context query-heads key-heads head-width
        attention-prompt   sequences tokens query-heads key-heads head-width
        latent-decode      sequences context heads
        latent-prompt      sequences tokens heads
        streaming          rows bytes-of-a-row

        switchyard cost --device h100-sxm gemm 4096 4096 4096 --dtype bf16
        switchyard cost --device h100-sxm experts 64 7168 2048 32 8 --dtype fp8-block
      """)

  @Option(help: "A device of the catalogue.")
  var device: String

  @Argument(
    help: ArgumentHelp(
      "What the kernel does: \(KernelFamily.allCases.map(\.rawValue).joined(separator: ", ")).",
      valueName: "family"))
  var family: KernelFamily

  @Argument(help: ArgumentHelp("Its dimensions.", valueName: "shape"))
  var shape: [Int]

  @Option(
    help: """
      The type of its numbers: bf16, fp16, fp8, fp8-block, int8, int8-wo, int4-wo; of gemm also fp8-kernel. \
      Activations are converted to 8 bits first, which counts, but with fp8-kernel; wo: of weights only.
      """)
  var dtype = "bf16"

  @Option(
    help: ArgumentHelp(
      "A file with entries of your own, which go before the program's.", valueName: "file"))
  var catalogue: String?

  @Flag(help: "Print JSON.")
  var json = false

  func run() throws {
    try reportingFailures {
      let catalogue = try HardwareCatalogue.load(extraFiles: catalogue.map { [$0] } ?? [])
      let device = try catalogue.device(named: device)
      let shape = try KernelShape(family, shape, type: dtype)
      let found = catalogue.kernelCalibration(family, type: shape.type, on: device)
      if let reason = RooflineAnswer.reason(on: device, found) {
        let answer = try RooflineAnswer(shape, on: device, because: reason)
        return try printResult(json ? try jsonText(answer) : answer.text)
      }
      guard let found else {
        throw CalibrationError.noCalibration(family: family.rawValue)
      }
      let (work, machine) = try shape.work(of: found.calibration.kernel, on: device)
      let answer = KernelAnswer(
        work.parts(by: found.calibration.values, on: machine), found, shape,
        outside: found.calibration.outside(work), device: device.name)
      try printResult(json ? try jsonText(answer) : answer.text)
    }
  }
}

extension KernelFamily: ExpressibleByArgument {}

/// What one kernel takes, explained.
private struct KernelAnswer: Encodable {
  var device: String
  var family: String
  var shape: [String: Int]
  var dtype: String
  var seconds: Double
  var launchSeconds: Double
  var computeSeconds: Double
  var memorySeconds: Double
  var bound: String
  var entry: String
  var kernel: String
  var medianError: Double
  /// Of the rows that take about as long; nil where the entry does not say or has none.
  var medianErrorOfItsSize: Double?
  var terms: [String: String]
  var remarks: [String]
  private let numbers: [(term: KernelTerm, value: Double)]
  private let names: [String]

  private enum CodingKeys: CodingKey {
    case device, family, shape, dtype, seconds, launchSeconds, computeSeconds, memorySeconds, bound
    case entry, kernel, medianError, medianErrorOfItsSize, terms, remarks
  }

  init(
    _ parts: KernelParts, _ found: HardwareCatalogue.FoundKernelCalibration,
    _ shape: KernelShape, outside: OutsideMeasured, device: String
  ) {
    self.device = device
    family = shape.family.rawValue
    names = shape.family.dimensions
    self.shape = Dictionary(uniqueKeysWithValues: zip(names, shape.dimensions))
    dtype = shape.type
    seconds = parts.total
    launchSeconds = parts.launch
    computeSeconds = parts.compute
    memorySeconds = parts.memory
    let longest = max(parts.compute, parts.memory)
    bound =
      parts.launch > longest ? "latency" : parts.memory > parts.compute ? "memory" : "compute"
    entry = found.calibration.name
    kernel = found.calibration.kernel
    medianError = found.calibration.fit.heldOutMedian
    let exponent = Int(log10(parts.total).rounded(.down))
    medianErrorOfItsSize =
      found.calibration.fit.decades.first { $0.exponent == exponent }?.median
    numbers = zip(shape.family.terms, found.calibration.values).map { ($0, $1) }
    terms = Dictionary(
      numbers.map { ($0.term.key, $0.term.written($0.value)) }, uniquingKeysWith: { a, _ in a })
    remarks = found.remarks + outside.remarks
  }

  var text: String {
    let dimensions = names.map { "\($0) \(shape[$0] ?? 0)" }.joined(separator: ", ")
    var lines = ["\(family) on \(device), \(dimensions), \(dtype)", ""]
    var times = TextTable([.left(""), .right("")])
    times.add("time", "\(Seconds(seconds))")
    times.add("  launch and fixed costs", "\(Seconds(launchSeconds))")
    times.add("  arithmetic alone", "\(Seconds(computeSeconds))")
    times.add("  memory alone", "\(Seconds(memorySeconds))")
    times.add("bound by", bound)
    lines += times.lines
    lines += [
      "",
      "by \(entry), whose kernels it met to \(percent(medianError)) (median, held out)"
        + (medianErrorOfItsSize.map { ", those that take about as long to \(percent($0))" } ?? ""),
    ]
    var table = TextTable([.left(""), .right(""), .left("")], indent: 2)
    for (term, value) in numbers { table.add(term.key, term.written(value), term.meaning) }
    lines += table.lines
    if !remarks.isEmpty { lines += [""] + remarks.map { "- \($0)" } }
    return lines.joined(separator: "\n")
  }
}
