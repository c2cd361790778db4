import Units

/// Reads one mapping key by key and holds its writer to what was asked for.
///
///     let reader = MappingReader(value, problems)
///     let bandwidth: Bandwidth? = reader.quantity("bandwidth", from: .zero)
///     let name = reader.text("name")
///     reader.finish()                  // every key that nobody asked for is a problem
///
/// A function that finds something wrong adds it to the collector and returns nil, so that one
/// reading tells all problems; whoever assembles the result checks the collector at the end.
public final class MappingReader {
  public let value: Value
  public let problems: ProblemCollector
  private let entries: [Value.Entry]
  private var asked: [String] = []
  private let isMapping: Bool

  /// - Parameter context: What the mapping is, for the error where `value` is something else:
  ///   "a workload".
  public init(_ value: Value, _ problems: ProblemCollector, context: String = "a mapping") {
    self.value = value
    self.problems = problems
    if case .mapping(let entries) = value.content {
      self.entries = entries
      isMapping = true
    } else {
      entries = []
      isMapping = false
      problems.add("\(context) is a mapping of keys, not \(value.kindName)", at: value.location)
    }
  }

  public var location: Location { value.location }
  public var keys: [String] { entries.map(\.key) }

  public func has(_ key: String) -> Bool { entries.contains { $0.key == key } }

  /// The place of a key, or of the mapping where the key is missing.
  public func location(of key: String) -> Location {
    entries.first { $0.key == key }?.keyLocation ?? location
  }

  /// The raw value under `key`, or nil where it is absent.
  public func optional(_ key: String) -> Value? {
    asked.append(key)
    return entries.first { $0.key == key }?.value
  }

  /// The raw value under `key`; its absence is a problem.
  public func required(_ key: String, example: String? = nil) -> Value? {
    if let value = optional(key) { return value }
    if isMapping {
      let hint = example.map { "; write it like '\(key): \($0)'" } ?? ""
      problems.add("'\(key)' is missing\(hint)", at: location)
    }
    return nil
  }

  /// Adds a problem for every key that nobody asked for. Call it last.
  public func finish() {
    for entry in entries where !asked.contains(entry.key) {
      let meant = nearest(to: entry.key, among: asked).map { "did you mean '\($0)'?" }
      let known = "known here: \(Set(asked).sorted().joined(separator: ", "))"
      problems.add("unknown key '\(entry.key)'; \(meant ?? known)", at: entry.keyLocation)
    }
  }
}

/// Typed reads. Each takes an optional default: without one the key is required.
extension MappingReader {
  public func text(_ key: String, example: String? = nil) -> String? {
    required(key, example: example).flatMap { $0.text(key, problems) }
  }

  public func optionalText(_ key: String) -> String? {
    optional(key).flatMap { $0.text(key, problems) }
  }

  public func integer(_ key: String, in range: ClosedRange<Int>, default value: Int? = nil) -> Int?
  {
    if let value, !has(key) {
      _ = optional(key)
      return value
    }
    return required(key).flatMap { $0.integer(key, in: range, problems) }
  }

  public func optionalInteger(_ key: String, in range: ClosedRange<Int>) -> Int? {
    optional(key).flatMap { $0.integer(key, in: range, problems) }
  }

  /// A plain number without a unit.
  public func number(_ key: String, in range: ClosedRange<Double>) -> Double? {
    required(key).flatMap { $0.number(key, in: range, problems) }
  }

  public func boolean(_ key: String, default value: Bool) -> Bool? {
    guard let found = optional(key) else { return value }
    switch found.content {
    case .scalar("true"): return true
    case .scalar("false"): return false
    default:
      problems.add("'\(key)' is true or false, not \(found.kindName)", at: found.location)
      return nil
    }
  }

  /// One word of a closed list.
  public func word<Choice: RawRepresentable & CaseIterable>(
    _ key: String, _ choices: Choice.Type, default value: Choice? = nil
  ) -> Choice? where Choice.RawValue == String {
    if let value, !has(key) {
      _ = optional(key)
      return value
    }
    let example = choices.allCases.first?.rawValue
    return required(key, example: example).flatMap { $0.word(key, choices, problems) }
  }

  /// An amount with its unit, greater than zero unless `allowingZero`.
  public func quantity<Unit>(
    _ key: String, _ unit: Unit.Type = Unit.self, allowingZero: Bool = false
  ) -> Quantity<Unit>? {
    required(key, example: Unit.example).flatMap {
      $0.quantity(key, unit, allowingZero: allowingZero, problems)
    }
  }

  public func optionalQuantity<Unit>(
    _ key: String, _ unit: Unit.Type = Unit.self, allowingZero: Bool = false
  ) -> Quantity<Unit>? {
    optional(key).flatMap { $0.quantity(key, unit, allowingZero: allowingZero, problems) }
  }

  /// A nested mapping.
  public func mapping(_ key: String, context: String) -> MappingReader? {
    required(key).map { MappingReader($0, problems, context: context) }
  }

  public func optionalMapping(_ key: String, context: String) -> MappingReader? {
    optional(key).map { MappingReader($0, problems, context: context) }
  }
}
