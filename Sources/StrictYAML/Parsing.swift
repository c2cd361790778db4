import Foundation
import Yams

/// How large a document may be. A file past a limit is refused before it costs time or memory.
public struct DocumentLimits: Sendable {
  public var bytes = 8 << 20
  /// Values, those that aliases repeat counted each time. A file is refused before it is parsed where
  /// its lines, commas, colons and brackets are more, or so many that its aliases could make more.
  public var nodes = 100_000
  public var depth = 64
  /// Few, because n aliases can repeat a value 3^(n/3) times.
  public var aliases = 8

  public init() {}
}

extension Value {
  /// Reads the file at `path` and parses it.
  ///
  /// - Throws: ``Problems``, also where the file cannot be read.
  public static func contents(
    ofFile path: String, limits: DocumentLimits = DocumentLimits()
  ) throws(Problems) -> Value {
    let start = Location(file: path, line: 1, column: 1)
    do {
      let handle = try FileHandle(forReadingFrom: URL(fileURLWithPath: path))
      defer { try? handle.close() }
      let data = try handle.read(upToCount: limits.bytes + 1) ?? Data()
      return try Value(parsing: data, file: path, limits: limits)
    } catch let problems as Problems {
      throw problems
    } catch {
      let reason = FileManager.default.fileExists(atPath: path) ? "cannot be read" : "no such file"
      throw Problems([Problem(reason, at: start)])
    }
  }

  /// Parses one YAML document.
  ///
  /// - Parameter file: The name that locations carry.
  /// - Throws: ``Problems``: text that is not UTF-8 or not YAML, an empty document, a key that
  ///   stands twice, a key that is not a word, a limit passed.
  public init(
    parsing data: Data, file: String, limits: DocumentLimits = DocumentLimits()
  ) throws(Problems) {
    let start = Location(file: file, line: 1, column: 1)
    func refuse(_ sentence: String) -> Problems { Problems([Problem(sentence, at: start)]) }
    guard data.count <= limits.bytes else {
      throw refuse("the file is larger than \(limits.bytes >> 20) MiB, the limit for YAML")
    }
    let hasZero = data.withUnsafeBytes { $0.contains(0) }
    guard !hasZero, let text = String(data: data, encoding: .utf8) else {
      throw refuse("the file is not UTF-8 text; a YAML file is expected")
    }
    let marks = data.withUnsafeBytes { countMarks(in: $0) }
    guard marks.aliases <= limits.aliases else {
      throw refuse("more than \(limits.aliases) aliases (*name); write the values out")
    }
    guard marks.separators * (marks.aliases + 1) <= limits.nodes else {
      throw refuse("more than \(limits.nodes) values in one file")
    }
    let root: Node?
    do {
      // Scalars stay text, so that nobody needs to guess their types, which takes longer than the rest.
      // The environment would else be asked for an encoding.
      root = try Parser(yaml: text, resolver: .basic, encoding: .utf8).singleRoot()
    } catch let error as YamlError {
      throw Problems([Problem(error, file: file)])
    } catch {
      throw refuse("not YAML: \(error)")
    }
    guard let root else { throw refuse("the file is empty; a YAML mapping is expected") }
    var conversion = Conversion(file: file, limits: limits)
    self = try conversion.value(of: root, depth: 1, parent: start)
  }

  public init(parsing text: String, file: String) throws(Problems) {
    try self.init(parsing: Data(text.utf8), file: file)
  }
}

/// What the text's bytes say of its cost before it is parsed. Both counts may be too high (comments
/// and quoted text count), the first also a little too low (blocks of `- - -`, which the parser's
/// own limit of nesting bounds); aliases are never missed.
///
/// - Returns: How many bytes separate values; how often an alias could begin: `*` before a letter or
///   digit, after a blank or a flow indicator.
private func countMarks(in text: UnsafeRawBufferPointer) -> (separators: Int, aliases: Int) {
  var separators = 0
  var aliases = 0
  var previous = UInt8(ascii: "\n")
  var isAfterStar = false
  for byte in text {
    switch byte {
    case UInt8(ascii: "\n"), UInt8(ascii: ","), UInt8(ascii: ":"), UInt8(ascii: "["),
      UInt8(ascii: "{"):
      separators += 1
    default: break
    }
    let isWord =
      byte >= 0x80 || (byte | 0x20 >= 0x61 && byte | 0x20 <= 0x7a) || (byte >= 0x30 && byte <= 0x39)
      || byte == UInt8(ascii: "_") || byte == UInt8(ascii: "-")
    if isAfterStar && isWord { aliases += 1 }
    isAfterStar = byte == UInt8(ascii: "*") && mayStandBeforeAlias(previous)
    previous = byte
  }
  return (separators, aliases)
}

private func mayStandBeforeAlias(_ byte: UInt8) -> Bool {
  switch byte {
  case UInt8(ascii: " "), UInt8(ascii: "\t"), UInt8(ascii: "\r"), UInt8(ascii: "\n"),
    UInt8(ascii: "["), UInt8(ascii: "{"), UInt8(ascii: ","), UInt8(ascii: ":"):
    true
  default: false
  }
}

/// Yams' nodes to ours, counting what it costs.
private struct Conversion {
  let file: String
  let limits: DocumentLimits
  var nodes = 0

  mutating func value(of node: Node, depth: Int, parent: Location) throws(Problems) -> Value {
    let location =
      node.mark.map { Location(file: file, line: $0.line, column: $0.column) } ?? parent
    nodes += 1
    guard nodes <= limits.nodes else {
      throw Problems([Problem("more than \(limits.nodes) values in one file", at: location)])
    }
    guard depth <= limits.depth else {
      throw Problems([Problem("values nested more than \(limits.depth) deep", at: location)])
    }
    switch node {
    case .scalar(let scalar):
      let isNull = scalar.style == .plain && ["", "~", "null"].contains(scalar.string)
      return Value(isNull ? .null : .scalar(scalar.string), at: location)
    case .sequence(let sequence):
      var values: [Value] = []
      for element in sequence {
        values.append(try value(of: element, depth: depth + 1, parent: location))
      }
      return Value(.sequence(values), at: location)
    case .mapping(let mapping):
      return Value(.mapping(try entries(of: mapping, depth: depth, parent: location)), at: location)
    case .alias:
      throw Problems([Problem("an alias that names nothing", at: location)])
    }
  }

  private mutating func entries(
    of mapping: Node.Mapping, depth: Int, parent: Location
  ) throws(Problems) -> [Value.Entry] {
    var entries: [Value.Entry] = []
    for (keyNode, valueNode) in mapping {
      let key = try value(of: keyNode, depth: depth + 1, parent: parent)
      guard case .scalar(let name) = key.content else {
        throw Problems([Problem("a key must be a word, not \(key.kindName)", at: key.location)])
      }
      entries.append(
        Value.Entry(
          key: name, keyLocation: key.location,
          value: try value(of: valueNode, depth: depth + 1, parent: key.location)))
    }
    return entries
  }
}

extension Problem {
  fileprivate init(_ error: YamlError, file: String) {
    func at(_ mark: Mark) -> Location { Location(file: file, line: mark.line, column: mark.column) }
    let start = Location(file: file, line: 1, column: 1)
    switch error {
    case .scanner(_, let problem, let mark, _), .parser(_, let problem, let mark, _),
      .composer(_, let problem, let mark, _):
      self.init("not YAML: \(problem)", at: at(mark))
    case .duplicatedKeysInMapping(let duplicates, let context):
      let names = duplicates.map { "'\($0)'" }.joined(separator: ", ")
      self.init("\(names) stands twice in one mapping; keep one", at: at(context.mark))
    case .reader(let problem, _, _, _):
      self.init("not YAML: \(problem)", at: start)
    default:
      self.init("not YAML: \(error)", at: start)
    }
  }
}
