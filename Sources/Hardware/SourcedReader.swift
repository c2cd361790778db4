import StrictYAML
import Units

/// Reads the numbers of one catalogue entry, each with its source.
///
/// A number is written `[value, source]`; a bare one takes the entry's `source`. What was read lies
/// in ``facts``, in the order of reading.
final class SourcedReader {
  let entry: MappingReader
  private let problems: ProblemCollector
  private let sources: [String: String]
  private let defaultSource: String?
  private(set) var facts: [SourcedFact] = []

  init(_ entry: CatalogueEntry, _ problems: ProblemCollector, context: String) {
    self.problems = problems
    sources = entry.sources
    self.entry = MappingReader(entry.value, problems, context: context)
    defaultSource = self.entry.optionalText("source")
    if let defaultSource { check(defaultSource, at: self.entry.location(of: "source")) }
  }

  /// Reads a required quantity under `key` of `reader`, which is the entry or a mapping in it.
  func quantity<Unit>(
    _ key: String, _ unit: Unit.Type = Unit.self, in reader: MappingReader, path: String = ""
  ) -> Quantity<Unit>? {
    guard let value = reader.required(key, example: "[\(Unit.example), source]") else { return nil }
    return number(value, path + key)?.quantity(key, unit, problems)
  }

  func optionalQuantity<Unit>(
    _ key: String, _ unit: Unit.Type = Unit.self, in reader: MappingReader, path: String = ""
  ) -> Quantity<Unit>? {
    reader.optional(key).flatMap { number($0, path + key)?.quantity(key, unit, problems) }
  }

  func integer(
    _ key: String, from range: ClosedRange<Int>, in reader: MappingReader, path: String = ""
  ) -> Int? {
    reader.required(key).flatMap { number($0, path + key)?.integer(key, in: range, problems) }
  }

  /// A fraction of a peak, more than 0 and at most 1.
  func fraction(_ value: Value, _ key: String, path: String = "") -> Double? {
    number(value, path + key)?.number(key, in: 0.001...1, problems)
  }

  /// A span of less than a second: a longer latency is a slip of the unit.
  func latency(_ key: String, in reader: MappingReader, path: String = "") -> SimTime? {
    guard let span = quantity(key, Second.self, in: reader, path: path) else { return nil }
    return checked(span, key, at: reader.location(of: key))
  }

  func optionalLatency(_ key: String, in reader: MappingReader, path: String = "") -> SimTime? {
    guard reader.has(key) else {
      _ = reader.optional(key)
      return nil
    }
    return latency(key, in: reader, path: path)
  }

  private func checked(_ span: Seconds, _ key: String, at location: Location) -> SimTime? {
    guard span < 1 else {
      problems.add("'\(key)' is \(span); it must be less than a second", at: location)
      return nil
    }
    return SimTime(roundingUp: span)
  }

  /// Splits `[value, source]` and notes the fact; nil, with a problem, where there is no source.
  func number(_ value: Value, _ path: String) -> Value? {
    var number = value
    var source = defaultSource
    if case .sequence(let pair) = value.content {
      guard pair.count == 2, case .scalar = pair[0].content, case .scalar(let id) = pair[1].content
      else {
        problems.add("'\(path)' is written [value, source]", at: value.location)
        return nil
      }
      number = pair[0]
      source = id
      check(id, at: pair[1].location)
    }
    guard case .scalar(let text) = number.content else { return number }
    guard let source else {
      problems.add(
        "'\(path)' has no source; write [\(text), source], or 'source:' for the whole entry",
        at: value.location)
      return nil
    }
    facts.append(
      SourcedFact(key: path, value: text, source: source, citation: sources[source] ?? ""))
    return number
  }

  private func check(_ source: String, at location: Location) {
    guard sources[source] == nil else { return }
    let meant = nearest(to: source, among: sources.keys.sorted()).map { "did you mean '\($0)'?" }
    problems.add(
      "the source '\(source)' is not under 'sources'; \(meant ?? "add it there with its citation")",
      at: location)
  }
}
