import Foundation

/// Files of named entries, cut down to those that some names need.
///
/// ```yaml
/// devices:            # a section: a word without indentation
///   h100-sxm:         # an entry: a word after two blanks
///     link: nvlink4   # whatever it names is needed as well
/// ```
///
/// Reading a catalogue takes most of a short command's time, and most commands need few of its entries.
/// Lines that are left out become empty, so that all others stay where they were. Not a parser: a word
/// of a comment or a note keeps the entry it names, which costs a little and harms nothing.
public struct Excerpt {
  private struct Entry {
    var file: Int
    var bytes: Range<Int>
    /// Whether the words that it consists of may name entries.
    var refers: Bool
  }

  private let paths: [String]
  private let texts: [[UInt8]]
  private let sections: [[Section]]
  private let entries: [String: [Entry]]
  /// Names of entries that are needed.
  private var needed: Set<String> = []
  /// Where the entries that are kept begin, by file.
  private var kept: [Set<Int>]

  /// Nothing of the files, so far.
  ///
  /// - Parameters:
  ///   - paths: Files that can be read; what cannot is left out.
  ///   - prose: Sections whose entries are text for people: it needs nothing that it names.
  /// O(bytes).
  public init(ofFiles paths: [String], prose: Set<String> = []) {
    var read: (paths: [String], texts: [[UInt8]]) = ([], [])
    for path in paths {
      guard let data = FileManager.default.contents(atPath: path) else { continue }
      read.paths.append(path)
      read.texts.append(Array(data))
    }
    self.paths = read.paths
    texts = read.texts
    sections = read.texts.map(Self.sections)
    var entries: [String: [Entry]] = [:]
    for (file, text) in texts.enumerated() {
      for section in sections[file] {
        let title = text[section.header].prefix { $0 != Self.colon }
        let refers = !prose.contains(String(decoding: title, as: UTF8.self))
        for entry in section.entries {
          let name = String(decoding: text[entry.name], as: UTF8.self)
          entries[name, default: []].append(
            Entry(file: file, bytes: entry.bytes, refers: refers))
        }
      }
    }
    self.entries = entries
    kept = texts.map { _ in [] }
  }

  /// Keeps the entries of some names, those that they name, and so on. O(bytes kept).
  public mutating func need(_ names: some Sequence<String>) {
    var open = names.filter { entries[$0] != nil && needed.insert($0).inserted }
    while let name = open.popLast() {
      for entry in entries[name] ?? [] {
        kept[entry.file].insert(entry.bytes.lowerBound)
        guard entry.refers else { continue }
        Self.forEachWord(of: texts[entry.file], in: entry.bytes) { word in
          if entries[word] != nil, needed.insert(word).inserted { open.append(word) }
        }
      }
    }
  }

  /// Whether an entry of that name is kept.
  public func keeps(_ name: String) -> Bool { needed.contains(name) }

  /// The entries of a section in their order, kept or not, each with what it says after some of its
  /// keys, as far as that stands plainly on lines of their own: nil is not to say that there is nothing.
  /// O(bytes of the section).
  public func entries(
    of section: String, saying keys: [String]
  ) -> [(name: String, values: [String?])] {
    var found: [(name: String, values: [String?])] = []
    let starts = keys.map { Array("    \($0): ".utf8) }
    for (file, text) in texts.enumerated() {
      for own in sections[file] where text[own.header].starts(with: "\(section):".utf8) {
        for entry in own.entries {
          var values = [String?](repeating: nil, count: keys.count)
          var line = entry.bytes.lowerBound
          while line < entry.bytes.upperBound, values.contains(nil) {
            let end = text[line..<entry.bytes.upperBound].firstIndex(of: Self.newline)
            let bytes = text[line..<(end ?? entry.bytes.upperBound)]
            for (key, start) in starts.enumerated() where bytes.starts(with: start) {
              values[key] = String(decoding: bytes.dropFirst(start.count), as: UTF8.self)
            }
            line += bytes.count + 1
          }
          found.append((String(decoding: text[entry.name], as: UTF8.self), values))
        }
      }
    }
    return found
  }

  /// Path and text of each file; nil where nothing is left of one. O(bytes).
  ///
  /// - Parameter key: A key of entries, or of mappings in them, that is left out with all below it.
  public func files(leavingOut key: String? = nil) -> [(path: String, text: Data?)] {
    paths.indices.map { file in
      guard let text = Self.excerpt(of: texts[file], sections[file], keeping: kept[file]) else {
        return (paths[file], nil)
      }
      return (paths[file], Data(key.map { Self.leavingOut($0, of: text) } ?? text))
    }
  }

  private struct Section {
    var header: Range<Int>
    var entries: [(name: Range<Int>, bytes: Range<Int>)] = []
  }

  private static func sections(of text: [UInt8]) -> [Section] {
    var sections: [Section] = []
    func endEntry(at place: Int) {
      guard let section = sections.indices.last, let last = sections[section].entries.indices.last,
        sections[section].entries[last].bytes.isEmpty
      else { return }
      sections[section].entries[last].bytes =
        sections[section].entries[last].bytes.lowerBound..<place
    }
    var start = 0
    while start < text.count {
      let end = text[start...].firstIndex(of: newline) ?? text.count
      let first = text[start]
      if start < end, first != blank, first != hash {
        endEntry(at: start)
        sections.append(Section(header: start..<end))
      } else if !sections.isEmpty, end - start > 2, first == blank, text[start + 1] == blank,
        text[start + 2] != blank, text[start + 2] != hash,
        let colon = text[start..<end].firstIndex(of: colon)
      {
        endEntry(at: start)
        sections[sections.count - 1].entries.append((start + 2..<colon, start..<start))
      }
      start = end + 1
    }
    endEntry(at: text.count)
    return sections
  }

  /// Letters, digits, `-` and `.` in a row.
  private static func forEachWord(
    of text: [UInt8], in bytes: Range<Int>, _ body: (String) -> Void
  ) {
    var start = bytes.lowerBound
    for place in bytes.lowerBound...bytes.upperBound {
      if place < bytes.upperBound, isWord(text[place]) { continue }
      if place > start { body(String(decoding: text[start..<place], as: UTF8.self)) }
      start = place + 1
    }
  }

  private static func isWord(_ byte: UInt8) -> Bool {
    (byte | 0x20 >= 0x61 && byte | 0x20 <= 0x7a) || (byte >= 0x30 && byte <= 0x39)
      || byte == UInt8(ascii: "-") || byte == UInt8(ascii: ".") || byte >= 0x80
  }

  /// The text without a key of entries, or of mappings in them, and all below it: empty lines are left.
  private static func leavingOut(_ key: String, of text: [UInt8]) -> [UInt8] {
    var left: [UInt8] = []
    left.reserveCapacity(text.count)
    let name = Array("\(key):".utf8)
    var start = 0
    var depth: Int?
    while start < text.count {
      let end = text[start...].firstIndex(of: newline) ?? text.count
      let first = text[start..<end].firstIndex { $0 != blank } ?? end
      if let outer = depth, first < end, first - start <= outer { depth = nil }
      if depth == nil, text[first..<end].starts(with: name) { depth = first - start }
      if depth == nil { left += text[start..<end] }
      if end < text.count { left.append(newline) }
      start = end + 1
    }
    return left
  }

  private static func excerpt(
    of text: [UInt8], _ sections: [Section], keeping kept: Set<Int>
  ) -> [UInt8]? {
    var excerpt: [UInt8] = []
    var isEmpty = true
    var start = 0
    /// Keeps what stands before some bytes, and of these the ends of their lines.
    func leaveOut(_ bytes: Range<Int>) {
      excerpt += text[start..<bytes.lowerBound]
      for byte in text[bytes] where byte == newline { excerpt.append(byte) }
      start = bytes.upperBound
    }
    for section in sections {
      if section.entries.isEmpty
        || section.entries.contains(where: { kept.contains($0.bytes.lowerBound) })
      {
        isEmpty = false
      } else {
        leaveOut(section.header)
      }
      for entry in section.entries where !kept.contains(entry.bytes.lowerBound) {
        leaveOut(entry.bytes)
      }
    }
    excerpt += text[start...]
    return isEmpty ? nil : excerpt
  }

  private static let newline = UInt8(ascii: "\n")
  private static let blank = UInt8(ascii: " ")
  private static let hash = UInt8(ascii: "#")
  private static let colon = UInt8(ascii: ":")
}

extension Value {
  /// Every word of all scalars below, for ``Excerpt``: `1 x dgx-h100` has three.
  public func words(into words: inout Set<String>) {
    switch content {
    case .null: break
    case .scalar(let text):
      for word in text.split(whereSeparator: { $0.isWhitespace || $0 == "," }) {
        words.insert(String(word))
      }
    case .sequence(let values): for value in values { value.words(into: &words) }
    case .mapping(let entries): for entry in entries { entry.value.words(into: &words) }
    }
  }
}
