extension UnitOfMeasure {
  /// `value` in base units, as a person reads it: the SI prefix that leaves one to three digits
  /// before the point, four significant digits, trailing zeros dropped.
  public static func format(_ value: Double) -> String {
    guard value.isFinite else { return "\(value) \(symbol)" }
    guard takesPrefixes, value != 0 else { return "\(fourDigits(value)) \(symbol)" }
    let steps: [(Double, String)] = [
      (1e18, "E"), (1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"), (1, ""),
      (1e-3, "m"), (1e-6, "u"), (1e-9, "n"), (1e-12, "p"), (1e-15, "f"),
    ]
    // 999.96 rounds to 1000 at four digits: it belongs to the next prefix.
    let step = steps.first { abs(value) >= $0.0 * 0.99995 } ?? steps[steps.count - 1]
    return "\(fourDigits(value / step.0)) \(step.1)\(symbol)"
  }
}

/// `value` with four significant digits and no trailing zeros; whole numbers keep all digits.
public func fourDigits(_ value: Double) -> String {
  let magnitude = abs(value)
  guard magnitude < 1e15 else { return "\(value)" }
  if magnitude >= 1000 { return "\(Int64(value.rounded()))" }
  var decimals = 3
  if magnitude >= 10 { decimals = 2 }
  if magnitude >= 100 { decimals = 1 }
  return fixed(value, decimals: decimals, droppingZeros: true)
}

/// `value` with a fixed number of decimals (0 to 9), rounded half away from zero; independent of
/// the locale and of C formatting.
public func fixed(_ value: Double, decimals: Int, droppingZeros: Bool = false) -> String {
  guard value.isFinite, abs(value) < 1e9 else { return "\(value)" }
  let scale = [
    1, 10, 100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000, 100_000_000, 1_000_000_000,
  ][
    decimals]
  let scaled = Int64((value * Double(scale)).rounded())
  let (whole, fraction) = scaled.magnitude.quotientAndRemainder(dividingBy: UInt64(scale))
  let sign = scaled < 0 ? "-" : ""
  guard decimals > 0 else { return "\(sign)\(whole)" }
  var digits = String(fraction)
  digits = String(repeating: "0", count: decimals - digits.count) + digits
  if droppingZeros {
    while digits.last == "0" { digits.removeLast() }
    if digits.isEmpty { return "\(sign)\(whole)" }
  }
  return "\(sign)\(whole).\(digits)"
}
