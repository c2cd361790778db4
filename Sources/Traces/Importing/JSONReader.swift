/// Reads JSON by asking for what should come next, without building a tree: an expert-selection
/// file of gigabytes takes no more memory than its numbers.
///
///     try json.beginObject()
///     while let key = try json.nextKey() { ... }
///
/// Strictness where it protects: nesting is limited, every error has its line.
struct JSONReader {
  private var scanner: ByteScanner
  /// Open arrays and objects, and for each whether a value has been read in it.
  private var hasElement: [Bool] = []

  private static let deepest = 64

  init(_ bytes: UnsafeRawBufferPointer, file: String) {
    scanner = ByteScanner(bytes, file: file)
  }

  /// What kind of value comes next, by its first byte; 0 at the end of the text.
  mutating func nextByte() -> UInt8 {
    skipWhitespace()
    return scanner.peek
  }

  var line: Int { scanner.line }

  /// Whether only white space is left.
  mutating func isAtEnd() -> Bool {
    skipWhitespace()
    return scanner.isAtEnd
  }

  mutating func beginArray() throws(TraceError) { try open("[", "a list") }
  mutating func beginObject() throws(TraceError) { try open("{", "an object") }

  /// Whether the open array has another element, which then is next; closes it if not.
  mutating func nextElement() throws(TraceError) -> Bool {
    skipWhitespace()
    if scanner.take(UInt8(ascii: "]")) {
      hasElement.removeLast()
      return false
    }
    try comma()
    skipWhitespace()
    return true
  }

  /// The next key of the open object, whose value then is next; closes it and returns `nil` if
  /// there is none.
  mutating func nextKey() throws(TraceError) -> String? {
    skipWhitespace()
    if scanner.take(UInt8(ascii: "}")) {
      hasElement.removeLast()
      return nil
    }
    try comma()
    let key = try string()
    skipWhitespace()
    guard scanner.take(UInt8(ascii: ":")) else { throw wrong("':' after the key '\(key)'") }
    return key
  }

  /// A whole number that is not negative.
  mutating func int() throws(TraceError) -> Int {
    skipWhitespace()
    guard let value = scanner.number(), !".eE".utf8.contains(scanner.peek) else {
      throw wrong("a whole number from 0 to 2147483647")
    }
    return value
  }

  mutating func float() throws(TraceError) -> Float {
    skipWhitespace()
    var text = ""
    while "+-.eE0123456789".utf8.contains(scanner.peek), text.utf8.count < 40, !scanner.isAtEnd {
      text.unicodeScalars.append(Unicode.Scalar(scanner.peek))
      scanner.advance()
    }
    guard let value = Float(text) else { throw wrong("a number") }
    return value
  }

  mutating func bool() throws(TraceError) -> Bool {
    skipWhitespace()
    if scanner.take("true") { return true }
    if scanner.take("false") { return false }
    throw wrong("true or false")
  }

  /// Takes `null` if it is next.
  mutating func null() -> Bool {
    skipWhitespace()
    return scanner.take("null")
  }

  /// A list of whole numbers.
  mutating func ints() throws(TraceError) -> [Int] {
    var values: [Int] = []
    try beginArray()
    while try nextElement() { values.append(try int()) }
    return values
  }

  mutating func string() throws(TraceError) -> String {
    skipWhitespace()
    guard scanner.take(UInt8(ascii: "\"")) else { throw wrong("a text in quotes") }
    var bytes: [UInt8] = []
    while true {
      guard !scanner.isAtEnd else { throw wrong("the quote that ends a text") }
      let byte = scanner.peek
      scanner.advance()
      if byte == UInt8(ascii: "\"") { return String(decoding: bytes, as: UTF8.self) }
      if byte == UInt8(ascii: "\\") { try escape(into: &bytes) } else { bytes.append(byte) }
    }
  }

  private mutating func escape(into bytes: inout [UInt8]) throws(TraceError) {
    let byte = scanner.peek
    scanner.advance()
    switch byte {
    case UInt8(ascii: "n"): bytes.append(UInt8(ascii: "\n"))
    case UInt8(ascii: "t"): bytes.append(UInt8(ascii: "\t"))
    case UInt8(ascii: "r"): bytes.append(UInt8(ascii: "\r"))
    case UInt8(ascii: "b"): bytes.append(8)
    case UInt8(ascii: "f"): bytes.append(12)
    case UInt8(ascii: "u"):
      var unit: UInt32 = 0
      for _ in 0..<4 {
        guard let value = Character(Unicode.Scalar(scanner.peek)).hexDigitValue else {
          throw wrong("four hexadecimal digits")
        }
        unit = unit << 4 | UInt32(value)
        scanner.advance()
      }
      // Halves of a surrogate pair become U+FFFD: the texts are names and labels only.
      bytes.append(contentsOf: String(Unicode.Scalar(unit) ?? "\u{FFFD}").utf8)
    default: bytes.append(byte)
    }
  }

  /// Reads past one value of any kind.
  mutating func skipValue() throws(TraceError) {
    switch nextByte() {
    case UInt8(ascii: "{"):
      try beginObject()
      while try nextKey() != nil { try skipValue() }
    case UInt8(ascii: "["):
      try beginArray()
      while try nextElement() { try skipValue() }
    case UInt8(ascii: "\""): _ = try string()
    case UInt8(ascii: "t"), UInt8(ascii: "f"): _ = try bool()
    case UInt8(ascii: "n"): if !null() { throw wrong("null") }
    default: _ = try float()
    }
  }

  /// An error where the reader stands: what should have been there.
  func wrong(_ expected: String) -> TraceError {
    scanner.malformed(
      scanner.isAtEnd ? "the text ends where \(expected) should be" : "here should be \(expected)")
  }

  private mutating func open(_ byte: Unicode.Scalar, _ what: String) throws(TraceError) {
    skipWhitespace()
    guard scanner.take(UInt8(ascii: byte)) else { throw wrong(what) }
    guard hasElement.count < Self.deepest else {
      throw scanner.malformed("lists and objects are nested more than \(Self.deepest) deep")
    }
    hasElement.append(false)
  }

  /// The comma before every element but the first.
  private mutating func comma() throws(TraceError) {
    guard let last = hasElement.indices.last else { throw wrong("a list or an object") }
    if hasElement[last] {
      guard scanner.take(UInt8(ascii: ",")) else { throw wrong("a comma or the end of the list") }
    }
    hasElement[last] = true
  }

  private mutating func skipWhitespace() {
    while !scanner.isAtEnd {
      switch scanner.peek {
      case UInt8(ascii: " "), UInt8(ascii: "\t"), UInt8(ascii: "\n"), UInt8(ascii: "\r"):
        scanner.advance()
      default: return
      }
    }
  }
}
