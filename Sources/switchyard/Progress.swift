import Foundation

/// Tells how far long work is, on standard error: a bar on a terminal, a line for each tenth
/// elsewhere, and nothing at all for work of under two seconds.
struct Progress {
  private let what: String
  private let total: Int
  private var done = 0
  private var told = 0
  private let start = Date()
  private let isTerminal =
    isatty(STDERR_FILENO) == 1 && ProcessInfo.processInfo.environment["CI"] == nil
  private static let silentSeconds = 2.0
  private static let width = 30

  init(_ what: String, of total: Int) {
    self.what = what
    self.total = max(1, total)
  }

  mutating func advance() { advance(to: done + 1) }

  mutating func advance(to done: Int) {
    self.done = done
    let steps = isTerminal ? 100 : 10
    guard done * steps / total > told, Date().timeIntervalSince(start) > Self.silentSeconds
    else { return }
    told = done * steps / total
    if isTerminal {
      let filled = Self.width * done / total
      let bar =
        String(repeating: "#", count: filled) + String(repeating: ".", count: Self.width - filled)
      write("\r[\(bar)] \(done) of \(total) \(what)")
    } else {
      write("\(done) of \(total) \(what)\n")
    }
  }

  /// Takes the bar away.
  func finish() {
    if isTerminal, told > 0 {
      write("\r" + String(repeating: " ", count: Self.width + 40) + "\r")
    }
  }

  private func write(_ text: String) { FileHandle.standardError.write(Data(text.utf8)) }
}
