import Serving
import StrictYAML

/// `measure: {warmup: 5 iterations, iterations: 50}`; both may be left out.
extension ScenarioReader {
  static let defaultMeasurement = Measurement(warmup: 5, iterations: 50)

  func measurement() -> Measurement? {
    let standard = Self.defaultMeasurement
    guard root.has("measure") else {
      _ = root.optional("measure")
      return standard
    }
    let example = "{warmup: 5 iterations, iterations: 50}"
    guard let reader = section("measure", of: root, example: example) else { return nil }
    let warmup = count("warmup", of: reader, in: 0...1_000_000, default: standard.warmup)
    let iterations = count(
      "iterations", of: reader, in: 1...1_000_000, default: standard.iterations)
    reader.finish()
    guard let warmup, let iterations else { return nil }
    return Measurement(warmup: warmup, iterations: iterations)
  }

  /// `50 iterations` or `50`.
  func count(
    _ key: String, of reader: MappingReader, in range: ClosedRange<Int>, default standard: Int = 1
  ) -> Int? {
    guard var value = reader.optional(key) else { return standard }
    if case .scalar(let text) = value.content {
      let parts = text.split(separator: " ")
      if parts.count == 2, ["iteration", "iterations"].contains(parts[1]) {
        value.content = .scalar(String(parts[0]))
      } else if parts.count == 2 {
        problems.add(
          "'\(parts[1])' is not a unit of '\(key)'; write it like '50 iterations'",
          at: value.location)
        return nil
      }
    }
    return value.integer(key, in: range, problems)
  }
}
