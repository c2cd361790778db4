import Foundation
import Units

/// `workload.batch=1..512`, `1..512:8`, `1..512:x2`, `256..4096 tokens:x2`: a path of keys and the
/// values that it takes one after the other.
struct PredictSweep {
  let path: String
  /// What stands behind each number: `tokens`; empty where nothing does.
  let unit: String
  let values: [Double]
  /// What was written.
  let argument: String

  /// More points are refused.
  static let mostPoints = 1_000_000

  private enum Step {
    case add(Double)
    case multiply(Double)
  }

  init(_ argument: String) throws {
    self.argument = argument
    func refuse(_ what: String) -> CommandFailure {
      CommandFailure(
        "--sweep \(argument): \(what); write it like workload.batch=1..512, 1..512:8 or 1..512:x2")
    }
    guard let equals = argument.firstIndex(of: "="), equals > argument.startIndex else {
      throw refuse("there is no path of keys before a '='")
    }
    path = String(argument[..<equals])
    let written = argument[argument.index(after: equals)...]
    guard let dots = written.range(of: "..") else { throw refuse("there is no range '1..512'") }
    let parts = written[dots.upperBound...].split(
      separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
    let (end, unit) = Self.split(parts.first.map(String.init) ?? "")
    self.unit = unit
    let beginning = written[..<dots.lowerBound].trimmingCharacters(in: .whitespaces)
    guard let first = Double(beginning), first.isFinite else {
      throw refuse("'\(beginning)' is not a number")
    }
    guard let last = Double(end), last.isFinite else { throw refuse("'\(end)' is not a number") }
    guard first <= last else { throw refuse("it begins above its end") }
    var step = Step.add(1)
    if parts.count > 1 {
      let text = parts[1]
      let isFactor = text.first == "x"
      guard let number = Double(isFactor ? text.dropFirst() : text), number.isFinite else {
        throw refuse("'\(text)' is neither a step nor a factor")
      }
      guard isFactor ? number > 1 && first > 0 : number > 0 else {
        throw refuse(
          isFactor
            ? "a factor is above 1 and begins above 0" : "a step is above 0")
      }
      step = isFactor ? .multiply(number) : .add(number)
    }
    values = try Self.values(first, last, step, argument)
  }

  private static func values(
    _ first: Double, _ last: Double, _ step: Step, _ argument: String
  ) throws -> [Double] {
    // A hair's breadth keeps 0.1 + ... from ending early.
    let most = last + abs(last) * 1e-12
    let count: Double
    switch step {
    case .add(let step): count = ((most - first) / step).rounded(.down) + 1
    case .multiply(let factor): count = (log(most / first) / log(factor) + 1e-9).rounded(.down) + 1
    }
    guard count <= Double(mostPoints) else {
      throw CommandFailure(
        "--sweep \(argument) has \(count < 1e15 ? "\(Int(count))" : "very many") points; at most \(mostPoints) are "
          + "predicted at a time, so give a larger step")
    }
    let isWhole = first == first.rounded() && last == last.rounded()
    var values: [Double] = []
    for index in 0..<Int(count) {
      switch step {
      case .add(let step): values.append(first + Double(index) * step)
      case .multiply(let factor):
        let value = first * pow(factor, Double(index))
        // Whole numbers stay whole: batches are.
        values.append(isWhole ? value.rounded() : value)
      }
    }
    return values.reduce(into: []) { if $0.last != $1 { $0.append($1) } }
  }

  /// `4096 tokens`: the number and its unit.
  private static func split(_ text: String) -> (number: String, unit: String) {
    let trimmed = text.trimmingCharacters(in: .whitespaces)
    let number = trimmed.prefix { "0123456789.+-eE".contains($0) }
    let unit = trimmed[number.endIndex...].trimmingCharacters(in: .whitespaces)
    return (String(number), unit)
  }

  /// As a setting: `workload.batch=64`.
  func setting(_ value: Double) -> String { "\(path)=\(words(value))" }

  func words(_ value: Double) -> String {
    let isWhole = value == value.rounded() && abs(value) < 1e15
    let number = isWhole ? "\(Int64(value))" : "\(value)"
    return unit.isEmpty ? number : number + " " + unit
  }
}
