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
  case noFit(entry: String, LeastSquaresError)

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
    case .noFit(let entry, let error): "\(entry) cannot be fitted: \(error.sentence)"
    }
  }
}
