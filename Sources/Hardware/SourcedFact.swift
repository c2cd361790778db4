import StrictYAML
import Units

/// One number of a catalogue entry as it was written, with the document it comes from.
public struct SourcedFact: Hashable, Sendable {
  /// The key's path inside its entry: `memory.bandwidth`.
  public var key: String
  /// The value as the file has it, with its unit: `3350 GB/s`.
  public var value: String
  /// The short name of the source: `ml-engineering`.
  public var source: String
  /// What the short name stands for.
  public var citation: String

  public init(key: String, value: String, source: String, citation: String) {
    self.key = key
    self.value = value
    self.source = source
    self.citation = citation
  }

  /// Whether the number comes from memory and still needs a source.
  public var isUnverified: Bool { SourceBook.isUnverified(source) }
}

extension [SourcedFact] {
  /// One remark that names every unverified number, or none.
  func unverifiedRemarks(of name: String) -> [String] {
    let keys = filter(\.isUnverified).map(\.key)
    return keys.isEmpty ? [] : ["unverified: \(name): \(keys.joined(separator: ", "))"]
  }
}

extension SourcedReader {
  /// Every number read so far, in the order of the file.
  func facts(of book: SourceBook, prefix: String = "") -> [SourcedFact] {
    var facts: [SourcedFact] = []
    let sources = sources
    func walk(_ value: Value, _ path: String) {
      guard case .mapping(let entries) = value.content else { return }
      for entry in entries {
        let key = path + entry.key
        if let source = sources[key] {
          facts.append(
            SourcedFact(
              key: prefix + key, value: entry.value.writtenNumber, source: source,
              citation: book.citations[source] ?? ""))
        } else {
          walk(entry.value, key + ".")
        }
      }
    }
    walk(reader.value, "")
    return facts
  }

  /// A span of less than a second: a longer latency is a slip of the unit.
  func latency(_ key: String) -> SimTime? {
    guard let span: Seconds = quantity(key) else { return nil }
    guard span < 1 else {
      reader.problems.add(
        "'\(key)' is \(span); it must be less than a second", at: reader.location(of: key))
      return nil
    }
    return SimTime(roundingUp: span)
  }

  func optionalLatency(_ key: String) -> SimTime? {
    guard reader.has(key) else {
      _ = reader.optional(key)
      return nil
    }
    return latency(key)
  }
}

extension Value {
  /// The text of a number, or of the number in `[number, source]`.
  fileprivate var writtenNumber: String {
    switch content {
    case .scalar(let text): text
    case .sequence(let parts): parts.first?.writtenNumber ?? ""
    default: ""
    }
  }
}
