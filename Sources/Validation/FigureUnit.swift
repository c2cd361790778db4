import StrictYAML
import Units

/// What a published or simulated figure counts. Values are in the base unit: seconds, tokens per
/// second, joules, per cent.
public enum FigureUnit: Hashable, Sendable {
  /// A ratio, without a unit.
  case number
  case percent
  case time
  case tokenRate
  case energy

  /// How one is written.
  public var example: String {
    switch self {
    case .number: "6.7"
    case .percent: "16.4 %"
    case .time: "49.4 ms"
    case .tokenRate: "1943 tokens/s"
    case .energy: "12 mJ"
    }
  }

  /// The base unit's symbol; empty for a number.
  public var symbol: String {
    switch self {
    case .number: ""
    case .percent: "%"
    case .time: Second.symbol
    case .tokenRate: PerSecond<Token>.symbol
    case .energy: Joule.symbol
    }
  }

  /// A value for people: `49.4 ms`.
  public func text(_ value: Double) -> String {
    switch self {
    case .number: fourDigits(value)
    case .percent: "\(fourDigits(value)) %"
    case .time: "\(Seconds(value))"
    case .tokenRate: "\(TokenRate(value))"
    case .energy: "\(Joules(value))"
    }
  }

  /// Reads a value with this unit; nil where it is something else, which the collector has then.
  func read(_ key: String, _ value: Value, _ problems: ProblemCollector) -> Double? {
    switch self {
    case .number:
      guard case .scalar(let text) = value.content, finiteNumber(text) != nil else {
        problems.add(
          "'\(key)' is \(value.kindName); what is simulated has no unit, write it like '\(example)'",
          at: value.location)
        return nil
      }
      return value.number(key, in: -1e15...1e15, problems)
    case .percent:
      guard case .scalar(let text) = value.content,
        let number = text.dropping(unit: "%").flatMap(finiteNumber)
      else {
        problems.add(
          "'\(key)' is \(value.kindName); what is simulated is a percentage, write it like "
            + "'\(example)'", at: value.location)
        return nil
      }
      return number
    case .time: return value.quantity(key, Second.self, problems)?.value
    case .tokenRate: return value.quantity(key, PerSecond<Token>.self, problems)?.value
    case .energy: return value.quantity(key, Joule.self, problems)?.value
    }
  }
}

/// A plain decimal number.
func finiteNumber(_ text: String) -> Double? {
  guard let number = Double(text), number.isFinite, abs(number) <= 1e15,
    text.utf8.allSatisfy({ "0123456789.eE+-".utf8.contains($0) })
  else { return nil }
  return number
}

extension String {
  /// What stands before a unit, blanks taken away; nil where the text does not end in the unit.
  func dropping(unit: String) -> String? {
    guard hasSuffix(unit) else { return nil }
    var text = dropLast(unit.count)
    while text.last == " " { text.removeLast() }
    return String(text)
  }
}
