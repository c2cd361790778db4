import Units

/// Where a catalogue file's numbers come from: the mapping `sources: {id: citation}` at its top.
///
/// An id that is `unverified` or ends in `-unverified` marks numbers from memory.
public struct SourceBook: Sendable {
  public var citations: [String: String]

  public init(citations: [String: String]) { self.citations = citations }

  public init(reading reader: MappingReader) {
    citations = [:]
    for id in reader.keys {
      citations[id] = reader.text(id, example: "NVIDIA H100 data sheet, table 2")
    }
    reader.finish()
  }

  public static func isUnverified(_ id: String) -> Bool {
    id == "unverified" || id.hasSuffix("-unverified")
  }
}

/// Reads a mapping whose numbers say where they come from.
///
///     hidden: [4096, data-sheet]       # a number and its source
///     source: data-sheet               # or one source for every number beside it and below
///     hidden: 4096
///
/// Numbers are read through this reader, everything else through ``reader``. With a ``SourceBook``
/// every number must have a source that the book knows; without one (a scenario that describes its
/// own model) none may name any.
public final class SourcedReader {
  public let reader: MappingReader
  private let book: SourceBook?
  private let source: String?
  private let path: String
  /// The source of each number read so far here, by the path of keys to it: `attention.heads`.
  /// Shared with the readers of nested mappings.
  private let ledger: Ledger

  private final class Ledger { var entries: [String: String] = [:] }

  public convenience init(_ reader: MappingReader, sources book: SourceBook?) {
    self.init(reader, book, inherited: nil, path: "", Ledger())
  }

  private init(
    _ reader: MappingReader, _ book: SourceBook?, inherited: String?, path: String,
    _ ledger: Ledger
  ) {
    self.reader = reader
    self.book = book
    self.path = path
    self.ledger = ledger
    guard let value = reader.optional("source") else {
      source = inherited
      return
    }
    source = value.text("source", reader.problems)
    if let source { check(source, at: value.location) }
  }

  /// Path of each number -> id of its source.
  public var sources: [String: String] { ledger.entries }

  /// Paths of the numbers whose source is unverified, sorted.
  public var unverified: [String] {
    ledger.entries.filter { SourceBook.isUnverified($0.value) }.keys.sorted()
  }

  public func mapping(_ key: String, context: String) -> SourcedReader? {
    reader.mapping(key, context: context).map { nested(key, $0) }
  }

  public func optionalMapping(_ key: String, context: String) -> SourcedReader? {
    reader.optionalMapping(key, context: context).map { nested(key, $0) }
  }

  private func nested(_ key: String, _ inner: MappingReader) -> SourcedReader {
    SourcedReader(inner, book, inherited: source, path: path + key + ".", ledger)
  }

  public func integer(_ key: String, in range: ClosedRange<Int>) -> Int? {
    number(key, reader.required(key)).flatMap { $0.integer(key, in: range, reader.problems) }
  }

  public func optionalInteger(_ key: String, in range: ClosedRange<Int>) -> Int? {
    number(key, reader.optional(key)).flatMap { $0.integer(key, in: range, reader.problems) }
  }

  public func number(_ key: String, in range: ClosedRange<Double>) -> Double? {
    number(key, reader.required(key)).flatMap { $0.number(key, in: range, reader.problems) }
  }

  public func optionalNumber(_ key: String, in range: ClosedRange<Double>) -> Double? {
    number(key, reader.optional(key)).flatMap { $0.number(key, in: range, reader.problems) }
  }

  public func quantity<Unit>(
    _ key: String, _ unit: Unit.Type = Unit.self, allowingZero: Bool = false
  ) -> Quantity<Unit>? {
    number(key, reader.required(key, example: Unit.example)).flatMap {
      $0.quantity(key, unit, allowingZero: allowingZero, reader.problems)
    }
  }

  public func optionalQuantity<Unit>(
    _ key: String, _ unit: Unit.Type = Unit.self, allowingZero: Bool = false
  ) -> Quantity<Unit>? {
    number(key, reader.optional(key)).flatMap {
      $0.quantity(key, unit, allowingZero: allowingZero, reader.problems)
    }
  }

  /// Adds a problem for every key that nobody asked for. Call it last.
  public func finish() { reader.finish() }

  /// Takes a number out of `[number, source]` and writes its source down.
  private func number(_ key: String, _ found: Value?) -> Value? {
    guard let found else { return nil }
    guard case .sequence(let parts) = found.content else {
      if let source {
        ledger.entries[path + key] = source
      } else if book != nil {
        reader.problems.add(
          "'\(key)' has no source; write '\(key): [\(found.plainText), source-id]' or put "
            + "'source: source-id' beside it", at: found.location)
      }
      return found
    }
    guard parts.count == 2, let id = parts[1].text("source of \(key)", reader.problems) else {
      reader.problems.add("'\(key)' is a number or '[number, source-id]'", at: found.location)
      return nil
    }
    check(id, at: parts[1].location)
    ledger.entries[path + key] = id
    return parts[0]
  }

  private func check(_ id: String, at location: Location) {
    guard let book else {
      reader.problems.add("'\(id)' names a source, but this file has no 'sources'", at: location)
      return
    }
    guard book.citations[id] == nil else { return }
    let ids = book.citations.keys.sorted()
    let meant = nearest(to: id, among: ids).map { "did you mean '\($0)'?" }
    reader.problems.add(
      "'\(id)' is not one of this file's sources; "
        + (meant ?? "known here: \(ids.joined(separator: ", "))"), at: location)
  }
}

extension Value {
  fileprivate var plainText: String {
    if case .scalar(let text) = content { return text }
    return "number"
  }
}
