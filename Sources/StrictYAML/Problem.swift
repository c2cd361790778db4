/// One thing wrong with a document.
public struct Problem: Hashable, Sendable {
  public var location: Location
  /// What is wrong; what would be right.
  public var sentence: String

  public init(_ sentence: String, at location: Location) {
    self.sentence = sentence
    self.location = location
  }

  /// `file:line:column: what is wrong; what would be right`
  public var description: String {
    "\(location.file):\(location.line):\(location.column): \(sentence)"
  }
}

/// Everything wrong with a document, in the order of the file.
public struct Problems: Error, Sendable, CustomStringConvertible {
  public var list: [Problem]

  public init(_ list: [Problem]) { self.list = list }

  public var description: String { list.map(\.description).joined(separator: "\n") }
}

/// Gathers problems while a document is read, so that all of them are told at once.
///
/// A class because one collector is shared by every reader of a document.
public final class ProblemCollector {
  private var found: [Problem] = []

  public init() {}

  public var isEmpty: Bool { found.isEmpty }
  public var count: Int { found.count }

  public func add(_ sentence: String, at location: Location) {
    found.append(Problem(sentence, at: location))
  }

  public func add(_ problems: Problems) { found += problems.list }

  /// Throws what was gathered, sorted by place, each sentence once.
  public func throwIfAny() throws(Problems) {
    guard !found.isEmpty else { return }
    var seen: Set<Problem> = []
    throw Problems(found.filter { seen.insert($0).inserted }.sorted { $0.location < $1.location })
  }
}

/// The word among `candidates` that `word` was probably meant to be, if one is close.
public func nearest(to word: String, among candidates: some Sequence<String>) -> String? {
  let best = candidates.map { ($0, editDistance(word, $0)) }.min { $0.1 < $1.1 }
  guard let best, best.1 <= max(1, word.count / 3) else { return nil }
  return best.0
}

/// Levenshtein's distance, O(|a| |b|); words over 64 characters are not compared.
private func editDistance(_ a: String, _ b: String) -> Int {
  let a = Array(a.utf8)
  let b = Array(b.utf8)
  guard a.count <= 64, b.count <= 64 else { return .max }
  var row = Array(0...b.count)
  for (i, x) in a.enumerated() {
    var diagonal = row[0]
    row[0] = i + 1
    for (j, y) in b.enumerated() {
      let replaced = diagonal + (x == y ? 0 : 1)
      diagonal = row[j + 1]
      row[j + 1] = min(replaced, row[j] + 1, row[j + 1] + 1)
    }
  }
  return row[b.count]
}
