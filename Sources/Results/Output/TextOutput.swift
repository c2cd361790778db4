/// A text file that a command writes beside what it prints.
///
///     let file = try TextOutput("map.csv", startingWith: "source,")     // before the work that would be lost
///     try file.write(text)
///
/// Appears whole or not at all; what is no regular file (a pipe, `/dev/stdout`) is written directly.
public struct TextOutput: Sendable {
  private let path: String

  /// - Throws: ``ResultsError`` where it could not be written.
  ///
  /// - Parameter start: What a file begins with that may be replaced.
  public init(_ path: String, startingWith start: String) throws(ResultsError) {
    try OutputCheck.file(path, startingWith: start)
    self.path = path
  }

  /// - Throws: ``ResultsError``; what was there before is unchanged then.
  public func write(_ text: String) throws(ResultsError) {
    let file = try OutputFile(path)
    try file.write { $0.append(contentsOf: text.utf8) }
    try file.commit()
  }

  /// The same of text that comes in pieces, which `body` hands over one by one.
  ///
  /// - Throws: ``ResultsError``, or what `body` throws.
  public func write(pieces body: ((borrowing [UInt8]) throws -> Void) throws -> Void) throws {
    let file = try OutputFile(path)
    try body { piece in
      let bytes = copy piece
      try file.write { $0.append(contentsOf: bytes) }
    }
    try file.commit()
  }
}
