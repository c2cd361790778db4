import Hardware

/// Tables in a form of our own, one row a kernel:
///
///     op,shape,dtype,microseconds
///     gemm,4096x4096x4096,bf16,221.5
///     attention-decode,64x2048x32x8x128,bf16,61.2
///
/// `op` is a ``KernelFamily``, `shape` its dimensions joined by `x` (``KernelFamily/dimensions``),
/// `dtype` as in ``KernelShape``. A column `kernel` names the library's kernel and may be missing.
/// Weights and caches are taken to come from memory, and experts' rows to be spread evenly.
extension MeasurementTable {
  func plainKernels(on device: Device) throws(CalibrationError) -> [PlainKernelRow] {
    try require(["op", "shape", "dtype", "microseconds"])
    var found: [PlainKernelRow] = []
    for row in rows {
      let word = text("op", row)
      guard let family = KernelFamily(rawValue: word) else {
        throw .badCell(
          file: file, line: row.line, column: "op", text: word,
          wanted: "one of " + KernelFamily.allCases.map(\.rawValue).joined(separator: ", "))
      }
      let written = text("shape", row)
      let parts = written.split(separator: "x", omittingEmptySubsequences: false)
      let numbers = parts.compactMap { Int($0) }
      let shape: KernelShape
      do throws(CalibrationError) {
        guard numbers.count == parts.count else {
          throw CalibrationError.badShape(family: word, wanted: family.dimensions)
        }
        shape = try KernelShape(family, numbers, type: text("dtype", row))
      } catch {
        if case .impossibleShape = error {
          throw .implausible(file: file, line: row.line, detail: error.sentence)
        }
        throw .badCell(
          file: file, line: row.line, column: "shape", text: written,
          wanted: family.dimensions.joined(separator: "x") + " in whole numbers from 1")
      }
      let source = has("kernel") ? text("kernel", row) : "measured"
      let work: (work: KernelWork, machine: KernelMachine)
      do throws(CalibrationError) {
        work = try shape.work(of: source, on: device)
      } catch {
        throw .badCell(
          file: file, line: row.line, column: "dtype", text: text("dtype", row),
          wanted: "one of " + KernelShape.types(of: family).joined(separator: ", "))
      }
      found.append(
        PlainKernelRow(
          kernel: "\(source) \(shape.type)", work: work.work, machine: work.machine,
          time: try number("microseconds", row, in: 1e-3...1e9) * 1e-6,
          place: "\(file):\(row.line)"))
    }
    return found
  }
}

/// A row of a plain table.
struct PlainKernelRow {
  var kernel: String
  var work: KernelWork
  var machine: KernelMachine
  /// s
  var time: Double
  /// `file:line`
  var place: String

  func measurement<Work>(_ work: Work) -> KernelMeasurement<Work> {
    KernelMeasurement(work, on: machine, time: time, family: kernel, place: place)
  }
}
