import StrictYAML
import Units

/// How far a simulated figure may be from the published one.
public enum Tolerance: Hashable, Sendable {
  /// A share of the published figure: `10 %` is 0.1.
  case relative(Double)
  /// Of a percentage: `5 points` allows 11.4 % to 21.4 % for 16.4 %.
  case points(Double)

  /// More than this holds nothing to anything.
  private static let mostPercent = 1000.0

  /// How far off a figure is, in this tolerance's unit: a share, or points. Positive where the
  /// simulated figure is the larger one (of negative ones: the one farther from zero).
  public func error(of simulated: Double, published: Double) -> Double {
    switch self {
    case .relative: simulated / published - 1
    case .points: simulated - published
    }
  }

  public func allows(_ error: Double) -> Bool {
    switch self {
    case .relative(let most), .points(let most): abs(error) <= most
    }
  }

  /// `10 %`, `5 points`.
  public var text: String {
    switch self {
    case .relative(let share): "\(fourDigits(share * 100)) %"
    case .points(let points): "\(fourDigits(points)) points"
    }
  }

  /// An error for people, with its sign: `+3.2 %`, `-0.4 points`.
  public func text(ofError error: Double) -> String {
    let (amount, unit) =
      switch self {
      case .relative: (error * 100, "%")
      case .points: (error, "points")
      }
    let digits = fixed(abs(amount), decimals: 1)
    let sign = digits == "0.0" ? "" : amount < 0 ? "-" : "+"
    return "\(sign)\(digits) \(unit)"
  }

  /// Nil where the value is no tolerance of a figure with this unit, which the collector has then.
  static func read(
    _ value: Value, published: Double?, unit: FigureUnit?, _ problems: ProblemCollector
  ) -> Tolerance? {
    func refuse(_ sentence: String) -> Tolerance? {
      problems.add(sentence, at: value.location)
      return nil
    }
    guard case .scalar(let text) = value.content else {
      return refuse("'tolerance' is written like '10 %' or '5 points', not \(value.kindName)")
    }
    let percent = text.dropping(unit: "%").flatMap(finiteNumber)
    let points = text.dropping(unit: "points").flatMap(finiteNumber)
    guard let amount = percent ?? points else {
      return refuse("'tolerance' is '\(text)'; write it like '10 %', or '5 points' of a percentage")
    }
    guard amount > 0, amount <= mostPercent else {
      return refuse("'tolerance' is '\(text)'; it must be more than 0 and at most 1000")
    }
    if points != nil {
      guard unit == nil || unit == .percent else {
        return refuse(
          "'tolerance' is '\(text)', but the figure is no percentage; write it like '10 %'")
      }
      return .points(amount)
    }
    guard published != 0 else {
      return refuse("'tolerance' is a share of a published 0; write it like '5 points'")
    }
    return .relative(amount / 100)
  }
}
