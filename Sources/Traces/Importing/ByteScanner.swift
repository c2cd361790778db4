/// Walks over the bytes of a text file, counting lines. Values, no exceptions: parsers of bulk text
/// take a byte at a time from it without an allocation.
struct ByteScanner {
  private let base: UnsafePointer<UInt8>?
  let count: Int
  let file: String
  private(set) var offset = 0
  /// The line of the next byte, from 1.
  private(set) var line = 1
  /// The line on which the last record began.
  private(set) var recordLine = 1

  init(_ bytes: UnsafeRawBufferPointer, file: String) {
    base = bytes.baseAddress?.assumingMemoryBound(to: UInt8.self)
    count = bytes.count
    self.file = file
  }

  var isAtEnd: Bool { offset >= count }

  /// The next byte, or 0 at the end.
  @inline(__always)
  var peek: UInt8 {
    guard offset < count, let base else { return 0 }
    return base[offset]
  }

  @inline(__always)
  mutating func advance() {
    if peek == UInt8(ascii: "\n") { line &+= 1 }
    offset &+= 1
  }

  /// Takes `byte` if it is next.
  @inline(__always)
  mutating func take(_ byte: UInt8) -> Bool {
    guard offset < count, peek == byte else { return false }
    advance()
    return true
  }

  /// Takes `text` if it is next.
  mutating func take(_ text: StaticString) -> Bool {
    guard offset + text.utf8CodeUnitCount <= count, let base else { return false }
    for index in 0..<text.utf8CodeUnitCount
    where base[offset + index] != text.utf8Start[index] { return false }
    for _ in 0..<text.utf8CodeUnitCount { advance() }
    return true
  }

  mutating func skipSpaces() {
    while peek == UInt8(ascii: " ") || peek == UInt8(ascii: "\t") { advance() }
  }

  /// A whole number without a sign, below 2^31; `nil` where none stands.
  @inline(__always)
  mutating func number() -> Int? {
    var value = 0
    var digits = 0
    while offset < count {
      let digit = Int(peek) &- 48
      guard digit >= 0, digit <= 9 else { break }
      value = value &* 10 &+ digit
      guard value < 1 << 31 else { return nil }
      digits &+= 1
      offset &+= 1
    }
    return digits > 0 ? value : nil
  }

  /// The bytes up to, not including, the next `stop` or the end of the line.
  mutating func text(until stop: UInt8) -> UnsafeRawBufferPointer {
    let start = offset
    while offset < count, peek != stop, peek != UInt8(ascii: "\n"), peek != UInt8(ascii: "\r") {
      offset &+= 1
    }
    return UnsafeRawBufferPointer(start: base.map { $0 + start }, count: offset - start)
  }

  /// Takes the end of a line (LF, CR LF, or the end of the file).
  mutating func endOfLine() -> Bool {
    if isAtEnd { return true }
    _ = take(UInt8(ascii: "\r"))
    return take(UInt8(ascii: "\n")) || isAtEnd
  }

  mutating func skipLine() {
    while offset < count, peek != UInt8(ascii: "\n") { offset &+= 1 }
    if offset < count { advance() }
  }

  /// One record of a CSV file (RFC 4180: fields in quotes may hold commas, doubled quotes and line
  /// ends); `nil` at the end.
  mutating func csvRecord() -> [String]? {
    guard !isAtEnd else { return nil }
    recordLine = line
    var fields: [String] = []
    while true {
      fields.append(csvField())
      if take(UInt8(ascii: ",")) { continue }
      _ = endOfLine() ? () : skipLine()
      return fields
    }
  }

  /// One field of a CSV record, without its quotes.
  mutating func csvField() -> String {
    guard take(UInt8(ascii: "\"")) else {
      return String(decoding: text(until: UInt8(ascii: ",")), as: UTF8.self)
    }
    var bytes: [UInt8] = []
    while !isAtEnd {
      if take(UInt8(ascii: "\"")) {
        guard take(UInt8(ascii: "\"")) else { break }
        bytes.append(UInt8(ascii: "\""))
      } else {
        bytes.append(peek)
        advance()
      }
    }
    return String(decoding: bytes, as: UTF8.self)
  }

  /// An error at a line, by default where the scanner stands.
  func malformed(_ detail: String, line: Int? = nil) -> TraceError {
    .malformed(file: file, line: line ?? self.line, detail: detail)
  }
}
