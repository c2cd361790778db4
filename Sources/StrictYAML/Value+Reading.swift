import Units

/// What a scalar means, decided strictly; `key` is the name errors use.
extension Value {
  public func text(_ key: String, _ problems: ProblemCollector) -> String? {
    if case .scalar(let text) = content, !text.isEmpty { return text }
    problems.add("'\(key)' is a word or text, not \(kindName)", at: location)
    return nil
  }

  /// A whole number in decimal digits. `017`, `0x11` and `1e3` are refused: YAML versions differ on
  /// what they mean. `1_000_000` is a million.
  public func integer(
    _ key: String, in range: ClosedRange<Int>, _ problems: ProblemCollector
  ) -> Int? {
    guard case .scalar(let text) = content, let number = strictInteger(text) else {
      problems.add("'\(key)' is a whole number, not \(kindName)", at: location)
      return nil
    }
    guard range.contains(number) else {
      problems.add("'\(key)' is \(number); it must be \(describe(range))", at: location)
      return nil
    }
    return number
  }

  public func number(
    _ key: String, in range: ClosedRange<Double>, _ problems: ProblemCollector
  ) -> Double? {
    guard case .scalar(let text) = content, let number = Double(text), number.isFinite,
      text.utf8.allSatisfy({ "0123456789.eE+-".utf8.contains($0) })
    else {
      problems.add("'\(key)' is a number, not \(kindName)", at: location)
      return nil
    }
    guard range.contains(number) else {
      problems.add(
        "'\(key)' is \(text); it must be from \(fourDigits(range.lowerBound)) to "
          + "\(fourDigits(range.upperBound))", at: location)
      return nil
    }
    return number
  }

  public func word<Choice: RawRepresentable & CaseIterable>(
    _ key: String, _ choices: Choice.Type, _ problems: ProblemCollector
  ) -> Choice? where Choice.RawValue == String {
    guard let text = text(key, problems) else { return nil }
    if let choice = Choice(rawValue: text) { return choice }
    let words = Choice.allCases.map(\.rawValue)
    let meant = nearest(to: text, among: words).map { "did you mean '\($0)'?" }
    problems.add(
      "'\(text)' is not a value of '\(key)'; \(meant ?? "one of: \(words.joined(separator: ", "))")",
      at: location)
    return nil
  }

  public func quantity<Unit>(
    _ key: String, _ unit: Unit.Type, allowingZero: Bool = false, _ problems: ProblemCollector
  ) -> Quantity<Unit>? {
    guard case .scalar(let text) = content else {
      problems.add(
        "'\(key)' is \(Unit.quantityName) like '\(Unit.example)', not \(kindName)", at: location)
      return nil
    }
    do {
      let quantity = try Quantity<Unit>(parsing: text)
      if quantity.value > 0 || (allowingZero && quantity.value == 0) { return quantity }
      let least = allowingZero ? "zero or more" : "more than zero"
      problems.add("'\(key)' is '\(text)'; it must be \(least)", at: location)
    } catch {
      problems.add("'\(key)': \(error.sentence)", at: location)
    }
    return nil
  }

  /// The elements of a sequence.
  public func sequence(_ key: String, _ problems: ProblemCollector) -> [Value]? {
    if case .sequence(let values) = content { return values }
    problems.add("'\(key)' is a sequence, not \(kindName)", at: location)
    return nil
  }
}

private func strictInteger(_ text: String) -> Int? {
  let digits = text.hasPrefix("-") ? text.dropFirst() : text[...]
  guard let first = digits.utf8.first, (0x30...0x39).contains(first),
    first != 0x30 || digits.utf8.count == 1,
    digits.utf8.allSatisfy({ (0x30...0x39).contains($0) || $0 == 0x5f })
  else { return nil }
  return Int(text.filter { $0 != "_" })
}

private func describe(_ range: ClosedRange<Int>) -> String {
  range.upperBound == .max
    ? "\(range.lowerBound) or more" : "from \(range.lowerBound) to \(range.upperBound)"
}
