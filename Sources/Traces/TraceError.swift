/// What can go wrong with a trace, or with a file that should become one.
///
/// The cases carry what a helpful sentence needs; ``sentence`` is the one place that writes it.
public enum TraceError: Error, Hashable, Sendable {
  case cannotRead(file: String, reason: String)
  case cannotWrite(file: String, reason: String)
  case outputExists(file: String)
  case empty(file: String)
  case notATrace(file: String)
  case unsupportedVersion(file: String, found: Int, supported: Int)
  case truncated(file: String, needed: Int, found: Int)
  case damagedHeader(file: String, detail: String)
  case damagedSelections(file: String)
  /// `token` and `layer` are positions in the trace, not the model's layer id.
  case expertOutOfRange(file: String, token: Int, layer: Int, expert: Int, experts: Int)
  /// A token that chose one expert of a layer more than once.
  case expertTwice(file: String, token: Int, layer: Int, expert: Int)
  case noTokens(file: String)
  /// A file to import says something that cannot be right; `line` counts from 1.
  case malformed(file: String, line: Int?, detail: String)
  /// The format does not say something, and neither did the caller.
  case unsaid(file: String, what: String, option: String)
  case withoutEffect(option: String, format: String)
  case unknownFormat(file: String, known: [String])
  /// A shape that no trace can have.
  case impossibleShape(detail: String)
  case otherModel(file: String, trace: String, wanted: String)

  /// What is wrong and what would be right, in one sentence without a full stop.
  public var sentence: String {
    switch self {
    case .cannotRead(let file, let reason): "\(file): cannot be read: \(reason)"
    case .cannotWrite(let file, let reason): "\(file): cannot be written: \(reason)"
    case .outputExists(let file): "\(file): exists already; --force replaces it"
    case .empty(let file): "\(file): the file is empty"
    case .notATrace(let file):
      "\(file): not a routing trace (the first bytes are not a trace's); "
        + "'switchyard trace import' makes one from other formats"
    case .unsupportedVersion(let file, let found, let supported):
      "\(file): a trace of format version \(found); this program reads version \(supported)"
    case .truncated(let file, let needed, let found):
      "\(file): the trace is truncated: \(needed) bytes are needed, the file has \(found)"
    case .damagedHeader(let file, let detail): "\(file): the trace is damaged: \(detail)"
    case .damagedSelections(let file):
      "\(file): the trace is damaged: the checksum of its expert selections does not match"
    case .expertOutOfRange(let file, let token, let layer, let expert, let experts):
      "\(file): expert \(expert) at token \(token), layer \(layer) is out of range; "
        + "the model has experts 0 to \(experts - 1)"
    case .expertTwice(let file, let token, let layer, let expert):
      "\(file): token \(token) chose expert \(expert) twice at layer \(layer) (both counted from 0); "
        + "a router's choices are distinct"
    case .noTokens(let file): "\(file): holds no tokens; a trace needs at least one"
    case .malformed(let file, let line?, let detail): "\(file):\(line): \(detail)"
    case .malformed(let file, nil, let detail): "\(file): \(detail)"
    case .unsaid(let file, let what, let option):
      "\(file): the format does not say \(what); say it with \(option)"
    case .withoutEffect(let option, let format):
      "\(option) has no effect on the format \(format), which says it itself or has none"
    case .unknownFormat(let file, let known):
      "\(file): the format is not recognised; name it with --format, one of "
        + known.joined(separator: ", ")
    case .impossibleShape(let detail): detail
    case .otherModel(let file, let trace, let wanted):
      "\(file): a trace of another model: it has \(trace), but \(wanted) are wanted"
    }
  }
}
