import Foundation

/// A directory of text files that a command writes beside what it prints.
///
///     let pictures = try OutputDirectory("drawn")             // before the work that would be lost
///     try pictures.write(svg, to: "gemm.svg", startingWith: "<svg")
///
/// It is made with its first file if its parent exists.
public struct OutputDirectory: Sendable {
  private let path: String

  /// - Throws: ``ResultsError`` where it could be neither made nor written into.
  public init(_ path: String) throws(ResultsError) {
    try OutputCheck.directory(path)
    self.path = path
  }

  /// - Parameter start: What a file begins with that may be replaced.
  /// - Throws: ``ResultsError``; what was there before is unchanged then.
  public func write(
    _ text: String, to name: String, startingWith start: String
  ) throws(ResultsError) {
    try Self.make(path)
    try TextOutput("\(path)/\(name)", startingWith: start).write(text)
  }

  /// Makes the directory where there is none.
  static func make(_ path: String) throws(ResultsError) {
    if mkdir(path, 0o777) != 0, errno != EEXIST { throw .system(errno, path: path) }
    var status = stat()
    guard stat(path, &status) == 0, status.st_mode & S_IFMT == S_IFDIR else {
      throw .notADirectory(path: path)
    }
  }
}
