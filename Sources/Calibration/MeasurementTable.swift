import CLZMA
import Foundation
import Hardware

/// A comma-separated table with a header, as text; `.xz` files are decompressed.
///
/// Cells may stand in quotes and may not contain commas: none of the tables of measured kernels do.
struct MeasurementTable {
  let file: String
  let columns: [String]
  /// In the order of the file; the first one stands in line 2.
  let rows: [Row]
  private let positions: [String: Int]

  struct Row {
    let line: Int
    let cells: [Substring]
  }

  /// Larger files, compressed or not, are refused.
  private static let mostBytes = 64 << 20

  init(reading file: String) throws(CalibrationError) {
    let data: Data
    do {
      data = try Data(contentsOf: URL(fileURLWithPath: file))
    } catch {
      var isDirectory: ObjCBool = false
      let exists = FileManager.default.fileExists(atPath: file, isDirectory: &isDirectory)
      let reason = isDirectory.boolValue ? "it is a directory" : "it may not be read"
      throw .cannotRead(file: file, reason: exists ? reason : "no such file")
    }
    guard data.count <= Self.mostBytes else {
      throw .cannotRead(file: file, reason: "it is larger than \(Self.mostBytes >> 20) MiB")
    }
    let bytes = file.hasSuffix(".xz") ? try Self.decompressed(data, file) : Array(data)
    guard !bytes.contains(0), let text = String(validating: bytes, as: UTF8.self) else {
      throw .cannotRead(file: file, reason: "it is not UTF-8 text")
    }
    try self.init(text: text, file: file)
  }

  init(text: String, file: String) throws(CalibrationError) {
    // Spreadsheets begin their tables with a mark of the byte order.
    let body =
      text.unicodeScalars.first == "\u{FEFF}"
      ? text.unicodeScalars.dropFirst() : text.unicodeScalars[...]
    let lines = Substring(body).split(omittingEmptySubsequences: false) { $0.isNewline }
    self.file = file
    columns = (lines.first ?? "").split(separator: ",").map { Self.trimmed($0) }.map(String.init)
    let positions = Dictionary(
      columns.enumerated().map { ($1, $0) }, uniquingKeysWith: { first, _ in first })
    self.positions = positions
    if let number = columns.first(where: { Double($0) != nil }) {
      throw .implausible(
        file: file, line: 1,
        detail: "'\(number)' is no name of a column: the first line has to name the columns")
    }
    if let twice = columns.enumerated().first(where: { positions[$1] != $0 })?.element {
      throw .implausible(file: file, line: 1, detail: "the column '\(twice)' is there twice")
    }
    var rows: [Row] = []
    for (index, line) in lines.enumerated().dropFirst() where !Self.trimmed(line).isEmpty {
      let cells = line.split(separator: ",", omittingEmptySubsequences: false).map(Self.trimmed)
      guard cells.count == columns.count else {
        throw .wrongCellCount(
          file: file, line: index + 1, found: cells.count, wanted: columns.count)
      }
      rows.append(Row(line: index + 1, cells: cells))
    }
    guard !rows.isEmpty else { throw .empty(file: file) }
    self.rows = rows
  }

  func has(_ column: String) -> Bool { positions[column] != nil }

  /// Refuses rows whose column `device` names another one than any of these: what they are called shares no
  /// word like `H100`. A table without that column says nothing, nor does a device without such a word.
  ///
  /// - Parameter wanted: What the devices are, in words.
  /// - Throws: ``CalibrationError/otherDevice(_:file:line:wanted:)``.
  func checkDevice(_ devices: [Device], wanted: String) throws(CalibrationError) {
    let known = devices.reduce(into: Set<String>()) {
      $0.formUnion(Self.modelWords($1.name + " " + $1.fullName))
    }
    guard has("device"), !known.isEmpty else { return }
    var checked: Set<String> = []
    for row in rows {
      let said = text("device", row)
      guard checked.insert(said).inserted else { continue }
      let words = Self.modelWords(said)
      guard words.isEmpty || !known.isDisjoint(with: words) else {
        throw .otherDevice(said, file: file, line: row.line, wanted: wanted)
      }
    }
  }

  /// Words of three characters and more, with a digit, that are no memory (`80GB`, `HBM3`) and no form (`SXM5`,
  /// `PCIe4`).
  private static func modelWords(_ text: String) -> Set<String> {
    Set(
      text.lowercased().split { !$0.isLetter && !$0.isNumber }.map(String.init).filter { word in
        word.count > 2 && word.contains(where: \.isNumber) && !word.hasSuffix("gb")
          && !["sxm", "hbm", "pcie", "gddr", "nvl"].contains(where: word.hasPrefix)
      })
  }

  func require(_ names: [String]) throws(CalibrationError) {
    let missing = names.filter { !has($0) }
    guard missing.isEmpty else {
      throw .missingColumns(missing, file: file, has: columns)
    }
  }

  /// A cell of a column that ``require(_:)`` has found.
  func text(_ column: String, _ row: Row) -> String {
    positions[column].map { String(row.cells[$0]) } ?? ""
  }

  func number(
    _ column: String, _ row: Row, in range: ClosedRange<Double>
  ) throws(CalibrationError) -> Double {
    let text = text(column, row)
    guard let value = Double(text), range.contains(value) else {
      throw .badCell(
        file: file, line: row.line, column: column, text: text,
        wanted: "a number from \(range.lowerBound) to \(range.upperBound)")
    }
    return value
  }

  func integer(
    _ column: String, _ row: Row, in range: ClosedRange<Int>
  ) throws(CalibrationError) -> Int {
    let text = text(column, row)
    guard let value = Int(text), range.contains(value) else {
      throw .badCell(
        file: file, line: row.line, column: column, text: text,
        wanted: "a whole number from \(range.lowerBound) to \(range.upperBound)")
    }
    return value
  }

  private static func trimmed(_ text: Substring) -> Substring {
    var text = text
    while let first = text.first, first.isWhitespace { text.removeFirst() }
    while let last = text.last, last.isWhitespace { text.removeLast() }
    if text.count > 1, text.first == "\"", text.last == "\"" {
      text.removeFirst()
      text.removeLast()
    }
    return text
  }

  /// All of an `.xz` file, which may be several streams.
  private static func decompressed(
    _ data: Data, _ file: String
  ) throws(CalibrationError) -> [UInt8] {
    let input = Array(data)
    var size = max(1 << 16, input.count * 8)
    while true {
      var output = [UInt8](repeating: 0, count: size)
      var memory: UInt64 = 256 << 20
      var inputPosition = 0
      var outputPosition = 0
      let status = lzma_stream_buffer_decode(
        &memory, concatenated, nil, input, &inputPosition, input.count, &output, &outputPosition,
        output.count)
      switch status {
      case LZMA_OK: return Array(output[..<outputPosition])
      case LZMA_BUF_ERROR where size < mostBytes: size *= 4
      case LZMA_FORMAT_ERROR: throw .cannotRead(file: file, reason: "it is not in the .xz format")
      default:
        throw .cannotRead(file: file, reason: "its compressed data are damaged or too large")
      }
    }
  }

  /// LZMA_CONCATENATED, a macro that Swift does not see.
  private static let concatenated: UInt32 = 0x08
}
