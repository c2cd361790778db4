import Statistics

/// Why measurements cannot be fitted. The cases carry what a helpful sentence needs; ``sentence``
/// is the one place that writes it.
public enum CalibrationError: Error, Hashable, Sendable {
  case cannotRead(file: String, reason: String)
  case empty(file: String)
  case missingColumns([String], file: String, has: [String])
  /// A cell that says something that cannot be right; lines count from 1.
  case badCell(file: String, line: Int, column: String, text: String, wanted: String)
  case wrongCellCount(file: String, line: Int, found: Int, wanted: Int)
  case implausible(file: String, line: Int, detail: String)
  case unknownTable(file: String, has: [String])
  case mixedLibraries(first: String, firstFile: String, other: String, otherFile: String)
  case networkUnsaid(file: String, line: Int, nodes: Int)
  case unknownKernelTable(file: String, has: [String])
  /// A profile of layers, which are as wide as its model says.
  case modelUnsaid(file: String)
  case noFit(entry: String, LeastSquaresError)
  /// More numbers than the rows can tell apart.
  case tooFewRows(kernel: String, rows: Int, needed: Int, terms: [String])
  /// Dimensions that are too few, too many or out of range.
  case badShape(family: String, wanted: [String])
  /// Dimensions that contradict each other.
  case impossibleShape(family: String, detail: String)
  case unknownType(String, family: String, known: [String])
  /// No device of the catalogue has numbers for the family.
  case noCalibration(family: String)
  /// A device that was named for its numbers has none.
  case noCalibrationOf(device: String, family: String)
  /// Rows that say that they were measured elsewhere.
  case otherDevice(String, file: String, line: Int, wanted: String)
  /// A device whose compute units the catalogue does not know.
  case noUnits(device: String)

  /// What is wrong and what would be right, in one sentence without a full stop.
  public var sentence: String {
    switch self {
    case .cannotRead(let file, let reason): "\(file): cannot be read: \(reason)"
    case .empty(let file): "\(file): holds no measurements"
    case .missingColumns(let missing, let file, let has):
      "\(file):1: the \(missing.count == 1 ? "column" : "columns") "
        + missing.map { "'\($0)'" }.joined(separator: ", ")
        + " \(missing.count == 1 ? "is" : "are") missing; the table has "
        + has.joined(separator: ", ")
    case .badCell(let file, let line, let column, let text, let wanted):
      "\(file):\(line): '\(column)' is '\(text)'; it must be \(wanted)"
    case .wrongCellCount(let file, let line, let found, let wanted):
      "\(file):\(line): the row has \(found) cells and the header \(wanted)"
    case .implausible(let file, let line, let detail): "\(file):\(line): \(detail)"
    case .unknownTable(let file, let has):
      "\(file):1: a table of collectives has a column 'op_name' (NCCL), 'dispatch_avg_t_us' "
        + "(DeepEP low latency) or 'dispatch_transmit_us' (DeepEP normal); this one has "
        + has.joined(separator: ", ")
    case .mixedLibraries(let first, let firstFile, let other, let otherFile):
      "\(otherFile): measures \(other), but \(firstFile) measures \(first); "
        + "fit one library at a time"
    case .networkUnsaid(let file, let line, let nodes):
      "\(file):\(line): the measurement is of \(nodes) nodes; name the link between them with "
        + "--network"
    case .unknownKernelTable(let file, let has):
      "\(file):1: a table of kernels has columns of ai-dynamo/aiconfigurator ('gemm_dtype', "
        + "'moe_dtype', 'num_key_value_heads', 'kv_cache_dtype'), alibaba/InferSim, "
        + "microsoft/vidur or casys-kaist/LLMServingSim, or 'op', 'shape', 'dtype' and 'microseconds'; this one has "
        + has.joined(separator: ", ")
    case .modelUnsaid(let file):
      "\(file):1: is a profile of a model's layers; name the model with --model, and judge it by "
        + "'switchyard validate kernels'"
    case .tooFewRows(let kernel, let rows, let needed, let terms):
      "\(kernel) was measured at \(rows) \(rows == 1 ? "point" : "points"), which cannot tell "
        + "\(terms.count) numbers apart (\(terms.joined(separator: ", "))); it takes \(needed) or more"
    case .badShape(let family, let wanted):
      "\(family) takes \(wanted.count) whole numbers from 1: \(wanted.joined(separator: ", "))"
    case .impossibleShape(let family, let detail): "no such \(family) kernel: \(detail)"
    case .unknownType(let type, let family, let known):
      "'\(type)' is not a type of \(family) kernels; one of: \(known.joined(separator: ", "))"
    case .noCalibration(let family):
      "the catalogue has no numbers for \(family) kernels; fit some with 'switchyard calibrate'"
    case .noCalibrationOf(let device, let family):
      "the catalogue has no numbers for \(family) kernels that were fitted on \(device)"
    case .otherDevice(let found, let file, let line, let wanted):
      "\(file):\(line): was measured on '\(found)', which is not \(wanted)"
    case .noUnits(let device):
      "the catalogue does not say how many compute units \(device) has, or gives it no bf16 rate; "
        + "describe it with 'compute-units' in a file of your own (--catalogue)"
    case .noFit(let entry, let error): "\(entry) cannot be fitted: \(error.sentence)"
    }
  }
}
