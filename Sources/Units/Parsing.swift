/// Why a text is not a quantity. ``sentence`` is what a person reads.
public enum QuantityError: Error, Hashable, Sendable {
  case notANumber(text: String, quantityName: String, example: String)
  case unitMissing(text: String, quantityName: String, example: String)
  case unknownUnit(unit: String, quantityName: String, example: String)
  case notFinite(text: String, quantityName: String)

  /// What is wrong and what would be right, in one sentence without a full stop.
  public var sentence: String {
    switch self {
    case .notANumber(let text, let name, let example):
      "'\(text)' does not begin with a number; \(name) is written like '\(example)'"
    case .unitMissing(let text, let name, let example):
      "'\(text)' has no unit; \(name) is written like '\(example)'"
    case .unknownUnit(let unit, let name, let example):
      "'\(unit)' is not a unit of \(name); write it like '\(example)'"
    case .notFinite(let text, let name):
      "'\(text)' is too large for \(name)"
    }
  }
}

extension Quantity {
  /// Reads a number and its unit: `"3.35 TB/s"`, `"80GB"`, `"400 Gbit/s"`, `"64 KiB"`.
  ///
  /// A unit is required; prefixes are the SI's (f to E) and, for bytes, the binary ones (Ki to Ei).
  /// `us` and `µs` are the same. The sign is the caller's business: a negative bandwidth parses.
  ///
  /// - Throws: ``QuantityError``.
  public init(parsing text: String) throws(QuantityError) {
    let trimmed = text.trimmedSpaces
    let (number, unit) = splitNumber(trimmed)
    guard let magnitude = Double(number) else {
      throw .notANumber(text: text, quantityName: Unit.quantityName, example: Unit.example)
    }
    if unit.isEmpty {
      throw .unitMissing(text: text, quantityName: Unit.quantityName, example: Unit.example)
    }
    guard let scale = Self.scale(ofUnit: unit) else {
      throw .unknownUnit(unit: unit, quantityName: Unit.quantityName, example: Unit.example)
    }
    let value = scale.isInverse ? magnitude / scale.factor : magnitude * scale.factor
    guard value.isFinite else { throw .notFinite(text: text, quantityName: Unit.quantityName) }
    self.init(value)
  }

  /// The size of a written unit. Small prefixes come as divisors, because 1e-6 is not exact.
  private static func scale(ofUnit text: String) -> (factor: Double, isInverse: Bool)? {
    for (spelling, size) in Unit.spellings where text.hasSuffix(spelling) {
      let prefix = String(text.dropLast(spelling.count))
      if prefix.isEmpty { return (size, false) }
      if Unit.takesPrefixes, let factor = largePrefixes[prefix] { return (factor * size, false) }
      if Unit.takesPrefixes, let divisor = smallPrefixes[prefix] { return (divisor / size, true) }
      if Unit.takesBinaryPrefixes, let factor = binaryPrefixes[prefix] {
        return (factor * size, false)
      }
    }
    return nil
  }
}

private let largePrefixes: [String: Double] = [
  "k": 1e3, "K": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "P": 1e15, "E": 1e18,
]
private let smallPrefixes: [String: Double] = [
  "m": 1e3, "u": 1e6, "µ": 1e6, "μ": 1e6, "n": 1e9, "p": 1e12, "f": 1e15,
]
private let binaryPrefixes: [String: Double] = [
  "Ki": 1024, "Mi": 1_048_576, "Gi": 1_073_741_824, "Ti": 1_099_511_627_776,
  "Pi": 1_125_899_906_842_624, "Ei": 1_152_921_504_606_846_976,
]

/// Splits `"3.35 TB/s"` into `"3.35"` and `"TB/s"`.
private func splitNumber(_ text: String) -> (number: String, unit: String) {
  var end = text.startIndex
  var previous: Character = " "
  while end < text.endIndex {
    let c = text[end]
    let isExponent = (c == "e" || c == "E") && previous.isNumber && hasDigit(text, after: end)
    let isSign = (c == "-" || c == "+") && (end == text.startIndex || "eE".contains(previous))
    guard ("0"..."9").contains(c) || c == "." || isExponent || isSign else { break }
    previous = c
    end = text.index(after: end)
  }
  return (String(text[..<end]), String(text[end...]).trimmedSpaces)
}

private func hasDigit(_ text: String, after index: String.Index) -> Bool {
  var rest = text[text.index(after: index)...]
  if let sign = rest.first, sign == "-" || sign == "+" { rest = rest.dropFirst() }
  return rest.first.map { ("0"..."9").contains($0) } ?? false
}

extension String {
  /// Without blanks and tabs at its ends.
  fileprivate var trimmedSpaces: String {
    func isSpace(_ byte: UInt8) -> Bool { byte == UInt8(ascii: " ") || byte == UInt8(ascii: "\t") }
    guard let first = utf8.firstIndex(where: { !isSpace($0) }),
      let last = utf8.lastIndex(where: { !isSpace($0) })
    else { return "" }
    return String(self[first...last])
  }
}
