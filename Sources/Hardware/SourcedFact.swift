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

  /// Whether the number comes from memory and still needs a source. Such sources have names that
  /// begin with `unverified`.
  public var isUnverified: Bool { source.hasPrefix("unverified") }
}

extension [SourcedFact] {
  /// One remark that names every unverified number, or none.
  func unverifiedRemarks(of name: String) -> [String] {
    let keys = filter(\.isUnverified).map(\.key)
    return keys.isEmpty ? [] : ["unverified: \(name): \(keys.joined(separator: ", "))"]
  }
}
