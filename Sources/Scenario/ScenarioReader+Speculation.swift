import Models
import Serving
import StrictYAML

/// `workload.speculation: {tokens: 1, acceptance: 70 %}`.
extension ScenarioReader {
  /// More guesses than this are refused.
  static let mostGuesses = 16

  /// Nil where the key is absent or wrong, of which the collector has the latter.
  func speculation(_ workload: MappingReader, phase: Phase?) -> Speculation? {
    let example = "{tokens: 1, acceptance: 70 %}"
    guard let reader = optionalSection("speculation", of: workload, example: example) else {
      return nil
    }
    let tokens = reader.integer("tokens", in: 1...Self.mostGuesses)
    let acceptance = reader.required("acceptance", example: "70 %").flatMap {
      $0.percentage("acceptance", problems)
    }
    reader.finish()
    if phase == .prefill {
      problems.add(ServingError.speculationInPrefill, at: workload.location(of: "speculation"))
      return nil
    }
    guard let tokens, let acceptance else { return nil }
    return Speculation(tokens: tokens, acceptance: acceptance)
  }

  /// What results must say of guesses.
  func speculationRemarks(_ model: ModelArchitecture, _ speculation: Speculation) -> [String] {
    var remarks = [
      "guesses count as the given acceptance says; which are right is not drawn, and recorded tokens "
        + "stand for guesses"
    ]
    if model.predictionLayers == 0 {
      remarks.append(
        "no prediction layer of \(model.name) is known: a guess costs what its last layer with "
          + "experts and its head cost")
    }
    return remarks
  }
}

extension Value {
  /// A share from 0 to 1, written in per cent: `70 %` is 0.7.
  func percentage(_ key: String, _ problems: ProblemCollector) -> Double? {
    guard case .scalar(let text) = content, text.hasSuffix("%") else {
      problems.add("'\(key)' is a percentage like '70 %', not \(kindName)", at: location)
      return nil
    }
    var digits = text.dropLast()
    while digits.last == " " { digits = digits.dropLast() }
    guard let percent = Double(digits), digits.utf8.allSatisfy({ "0123456789.".utf8.contains($0) })
    else {
      problems.add("'\(key)' is a percentage like '70 %', not '\(text)'", at: location)
      return nil
    }
    guard percent <= 100 else {
      problems.add("'\(key)' is \(text); it must be from 0 % to 100 %", at: location)
      return nil
    }
    return percent / 100
  }
}
