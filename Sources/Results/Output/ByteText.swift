// Numbers and text as bytes, independent of locale; faster than building Strings.

extension [UInt8] {
  mutating func append(text: String) { append(contentsOf: text.utf8) }

  mutating func append(decimal number: Int64) {
    guard number < 0 || number > 9 else { return append(48 + UInt8(number)) }
    if number < 0 { append(45) }
    var rest = number.magnitude
    let start = count
    while rest > 0 {
      let (quotient, digit) = rest.quotientAndRemainder(dividingBy: 10)
      append(48 + UInt8(digit))
      rest = quotient
    }
    var (low, high) = (start, count - 1)
    while low < high {  // reversing a slice would copy it
      swapAt(low, high)
      low += 1
      high -= 1
    }
  }

  /// The shortest decimal that reads back as the same Double.
  mutating func append(decimal number: Double) { append(text: number.description) }
}
