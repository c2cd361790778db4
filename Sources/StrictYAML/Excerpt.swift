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
  }

  /// Path and text of each file; nil where nothing is left of one.
  public private(set) var files: [(path: String, text: Data?)] = []

  /// - Parameters:
  ///   - paths: Files that can be read; what cannot is left out.
  ///   - seeds: Names that are needed.
  /// O(bytes).
  public init(ofFiles paths: [String], naming seeds: Set<String>) {
    var texts: [[UInt8]] = []
    var kept: [String] = []
    for path in paths {
      guard let data = FileManager.default.contents(atPath: path) else { continue }
      texts.append(Array(data))
      kept.append(path)
    }
    var entries: [String: [Entry]] = [:]
    var sections: [[Section]] = []
    for (file, text) in texts.enumerated() {
      sections.append(Self.sections(of: text))
      for section in sections[file] {
        for entry in section.entries {
          let name = String(decoding: text[entry.name], as: UTF8.self)
          entries[name, default: []].append(Entry(file: file, bytes: entry.bytes))
        }
      }
    }
    // What entries name that are kept.
    var needed = Array(seeds)
    var seen = seeds
    var keeps = texts.map { _ in Set<Int>() }
    while let name = needed.popLast() {
      for entry in entries[name] ?? [] {
        keeps[entry.file].insert(entry.bytes.lowerBound)
        Self.forEachWord(of: texts[entry.file], in: entry.bytes) { word in
          if entries[word] != nil, seen.insert(word).inserted { needed.append(word) }
        }
      }
    }
    for (file, path) in kept.enumerated() {
      files.append((path, Self.excerpt(of: texts[file], sections[file], keeping: keeps[file])))
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

  private static func excerpt(
    of text: [UInt8], _ sections: [Section], keeping kept: Set<Int>
  ) -> Data? {
    var excerpt = text
    var isEmpty = true
    func clear(_ bytes: Range<Int>) {
      for place in bytes where excerpt[place] != newline { excerpt[place] = blank }
    }
    for section in sections {
      var isLeft = section.entries.isEmpty
      for entry in section.entries {
        if kept.contains(entry.bytes.lowerBound) { isLeft = true } else { clear(entry.bytes) }
      }
      if isLeft { isEmpty = false } else { clear(section.header) }
    }
    return isEmpty ? nil : Data(excerpt)
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
