import StrictYAML

/// The kinds of one policy slot; the raw value is the word that a scenario uses.
protocol PolicyKind: RawRepresentable, CaseIterable where RawValue == String {
  /// The keys that this kind reads beside `kind`.
  var keys: [String] { get }
}

/// One slot of `policies` as it was written: a word, or a mapping whose `kind` is that word.
struct PolicyReader<Kind: PolicyKind> {
  let kind: Kind
  /// Nil where a word stands.
  let mapping: MappingReader?
  let location: Location

  /// Nil where the slot is wrong, which the collector has then.
  init?(_ slot: String, _ value: Value, _ problems: ProblemCollector) {
    location = value.location
    switch value.content {
    case .scalar:
      guard let kind = value.word(slot, Kind.self, problems) else { return nil }
      self.kind = kind
      mapping = nil
    case .mapping:
      let reader = MappingReader(value, problems)
      guard let written = reader.required("kind", example: "\(Self.words[0])"),
        let kind = written.word(slot, Kind.self, problems)
      else { return nil }
      self.kind = kind
      mapping = reader
    default:
      problems.add(
        "'\(slot)' is a word (\(Self.words.joined(separator: ", "))) or a mapping with 'kind', "
          + "not \(value.kindName)", at: value.location)
      return nil
    }
  }

  /// Adds a problem for every key that this kind does not read. Call it last.
  func finish() {
    guard let mapping else { return }
    for key in mapping.keys where key != "kind" && !kind.keys.contains(key) {
      let readers = Kind.allCases.filter { $0.keys.contains(key) }.map { "'\($0.rawValue)'" }
      guard let last = readers.last else { continue }
      let others = readers.dropLast().joined(separator: ", ")
      _ = mapping.optional(key)
      mapping.problems.add(
        "'\(key)' has no effect with kind '\(kind.rawValue)'; it is for kind "
          + (others.isEmpty ? last : "\(others) or \(last)"), at: mapping.location(of: key))
    }
    for key in kind.keys { _ = mapping.optional(key) }
    mapping.finish()
  }

  private static var words: [String] { Kind.allCases.map(\.rawValue) }
}
