/// Why results cannot be recorded or written. ``sentence`` is what a person reads.
public enum ResultsError: Error, Hashable, Sendable {
  /// A law that the results rest on does not hold: a defect, not an input.
  case lawBroken(String)
  /// The description and what was recorded do not fit together: a defect of the caller.
  case shape(String)
  case nothingMeasured
  /// A results database that is none.
  case notADatabase(path: String)
  case foreignDatabase(path: String)
  case newerDatabase(path: String, version: Int, known: Int)
  /// A results database that was cut short or overwritten.
  case damaged(path: String)
  case isADirectory(path: String)
  case notADirectory(path: String)
  /// The system refuses; `reason` is its own word for why.
  case unwritable(path: String, reason: String)
  case diskFull(path: String)
  case busy(path: String)
  /// SQLite's own complaint.
  case database(path: String, reason: String)

  /// Whether a name that was given is at fault (exit code 2) or the run (exit code 1).
  public var isInputError: Bool {
    switch self {
    case .lawBroken, .shape, .nothingMeasured: false
    default: true
    }
  }

  public var sentence: String {
    switch self {
    case .lawBroken(let law):
      "a law of the results does not hold (please report this): \(law)"
    case .shape(let what):
      "results and their description do not fit together (please report this): \(what)"
    case .nothingMeasured:
      "no iteration was measured, so there are no results: all requests ended within the warm-up; "
        + "give more 'requests' or a shorter 'warmup'"
    case .notADatabase(let path):
      "'\(path)' is not an SQLite file; it was left as it is, give another name for the results"
    case .foreignDatabase(let path):
      "'\(path)' is a database of another program; it was left as it is, give another name for the"
        + " results"
    case .newerDatabase(let path, let version, let known):
      "'\(path)' was written by a newer program (schema \(version), this one knows \(known)); it was"
        + " left as it is, update this program or give another name for the results"
    case .damaged(let path):
      "'\(path)' is damaged; it was left as it is, give another name for the results"
    case .isADirectory(let path):
      "'\(path)' is a directory; give the name of a file"
    case .notADirectory(let path):
      "'\(path)' is not a directory"
    case .unwritable(let path, let reason):
      "'\(path)' cannot be written: \(reason)"
    case .diskFull(let path):
      "'\(path)' cannot be written: no space left on the device; what was there before is unchanged"
    case .busy(let path):
      "'\(path)' is in use by another program that does not finish; nothing was written"
    case .database(let path, let reason):
      "'\(path)' cannot be written: SQLite says: \(reason)"
    }
  }
}
