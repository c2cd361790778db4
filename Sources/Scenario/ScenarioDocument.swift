import Foundation
import StrictYAML

/// A scenario file, with the files it extends and what `--set` and `--seed` changed, as one value.
///
/// ```yaml
/// switchyard: 1
/// extends: base.yaml       # relative to this file; this file's values go over the base's
/// ```
///
/// Mappings are merged key by key and everything else replaces. A policy of another `kind` replaces
/// as a whole, because one kind's keys mean nothing to another.
public struct ScenarioDocument: Sendable {
  /// The file that was asked for.
  public let path: String
  /// Every part knows the file, or the `--set`, in which it was written.
  public let value: Value
  /// What reproduces the run: the text of the file, then of each file it extends, then the settings
  /// and the seed, each under a comment that names it.
  public let text: String
  /// The file names that locations of settings carry.
  private let settingNames: Set<String>
  /// The paths that `--set` has set.
  private let settingKeys: Set<String>

  /// - Parameter settings: What stands after each `--set`: `workload.batch=64`.
  /// - Throws: ``Problems``: files that cannot be read or are not YAML, `extends` in a circle, and
  ///   settings that cannot be applied.
  public init(path: String, settings: [String] = [], seed: UInt64? = nil) throws(Problems) {
    let files = try SourceFile.chain(from: path)
    let settings = try Setting.parse(settings, givenSeed: seed != nil)
    var value = files[files.count - 1].body
    for file in files.dropLast().reversed() { value = file.body.laid(over: value) }
    value = try Setting.apply(settings, to: value)

    self.path = path
    self.value = value
    settingNames = Set(settings.map(\.name))
    settingKeys = Set(settings.map(\.key))
    var parts = files.map { "# \($0.path)\n\($0.text)" }
    parts += settings.map { "# --set \($0.argument)\n" }
    if let seed { parts.append("# --seed \(seed)\n") }
    text = parts.map { $0.hasSuffix("\n") ? $0 : $0 + "\n" }.joined()
  }

  /// The same with one more setting, which comes from another option than `--set`.
  ///
  /// - Throws: ``Problems`` where it cannot be applied.
  func setting(_ argument: String, by option: String) throws(Problems) -> ScenarioDocument {
    let setting = try Setting.parse([argument], givenSeed: false, option: option)
    if let twice = setting.first(where: { one in settingKeys.contains { $0 == one.key } }) {
      let problems = ProblemCollector()
      problems.add(
        "'\(twice.key)' is set by --set as well; keep one", at: twice.value.location)
      try problems.throwIfAny()
    }
    return ScenarioDocument(self, try Setting.apply(setting, to: value), setting.map(\.name))
  }

  private init(_ other: ScenarioDocument, _ value: Value, _ names: [String]) {
    path = other.path
    text = other.text
    settingNames = other.settingNames.union(names)
    settingKeys = other.settingKeys
    self.value = value
  }

  /// A document that stands in no file.
  ///
  /// - Parameter file: What locations call it.
  init(text: String, file: String, settings: [String] = []) throws(Problems) {
    let settings = try Setting.parse(settings, givenSeed: false)
    path = file
    value = try Setting.apply(
      settings, to: try Value(parsing: Data(text.utf8), file: file))
    settingKeys = Set(settings.map(\.key))
    settingNames = Set(settings.map(\.name))
    self.text = text
  }

  /// A path as it was written, from where the program stands: relative to the file it was written
  /// in, or to the current folder where a `--set` said it.
  public func resolve(_ path: String, writtenAt place: Location) -> String {
    settingNames.contains(place.file) ? path : SourceFile.resolve(path, writtenIn: place.file)
  }
}

/// One file of a chain of `extends`.
struct SourceFile {
  /// The version of the format that this program reads.
  static let version = 1

  var path: String
  var text: String
  /// The file's value without `extends`.
  var body: Value
  /// The base's path from where the program stands, and the place that names it.
  var base: (path: String, place: Location)?

  static func chain(from path: String) throws(Problems) -> [SourceFile] {
    var files: [SourceFile] = []
    var identities: [String] = []
    var next: (path: String, place: Location?)? = (path, nil)
    while let (path, place) = next {
      let identity = URL(fileURLWithPath: path).resolvingSymlinksInPath().path
      if let place, identities.contains(identity) {
        let circle = (files.map(\.path) + [path]).joined(separator: " -> ")
        throw Problems([
          Problem("'extends' leads back to where it came from: \(circle)", at: place)
        ])
      }
      identities.append(identity)
      let file = try SourceFile(reading: path, namedAt: place)
      files.append(file)
      next = file.base.map { ($0.path, $0.place) }
    }
    return files
  }

  private init(reading path: String, namedAt place: Location?) throws(Problems) {
    if let reason = reasonNotToRead(path) {
      let sentence = place == nil ? reason : "'\(path)' cannot be read: \(reason)"
      throw Problems([Problem(sentence, at: place ?? Location(file: path, line: 1, column: 1))])
    }
    // Read once, so that a pipe works, and no further than a YAML file may be long.
    let data: Data
    do {
      let handle = try FileHandle(forReadingFrom: URL(fileURLWithPath: path))
      defer { try? handle.close() }
      data = try handle.read(upToCount: DocumentLimits().bytes + 1) ?? Data()
    } catch {
      throw Problems([Problem("cannot be read", at: Location(file: path, line: 1, column: 1))])
    }
    let value = try Value(parsing: data, file: path)
    self.path = path
    text = String(decoding: data, as: UTF8.self)
    body = value.removing(key: "extends")

    let problems = ProblemCollector()
    Self.checkVersion(value, problems)
    if let extends = value["extends"], let name = extends.text("extends", problems) {
      base = (Self.resolve(name, writtenIn: path), extends.location)
    }
    try problems.throwIfAny()
  }

  private static func checkVersion(_ value: Value, _ problems: ProblemCollector) {
    guard let found = value["switchyard"],
      let version = found.integer("switchyard", in: 0...Int.max, problems), version != Self.version
    else { return }
    problems.add(
      "the scenario has format version \(version); this program reads version \(Self.version)",
      at: found.location)
  }

  /// `path`, relative to the folder of `file` unless it is absolute.
  static func resolve(_ path: String, writtenIn file: String) -> String {
    guard !path.hasPrefix("/"), let slash = file.lastIndex(of: "/") else { return path }
    return file[...slash] + path
  }
}

/// Why a file cannot be opened for reading, if so.
public func reasonNotToRead(_ path: String) -> String? {
  var isFolder: ObjCBool = false
  guard FileManager.default.fileExists(atPath: path, isDirectory: &isFolder) else {
    return "no such file"
  }
  if isFolder.boolValue { return "it is a folder" }
  return FileManager.default.isReadableFile(atPath: path) ? nil : "permission denied"
}

extension Value {
  /// This value over `base`: like ``merged(over:)``, but a mapping that names another `kind` than
  /// the base's replaces it.
  func laid(over base: Value) -> Value {
    guard case .mapping(let mine) = content, case .mapping(var entries) = base.content,
      hasSameKind(as: base)
    else { return self }
    for entry in mine {
      if let index = entries.firstIndex(where: { $0.key == entry.key }) {
        entries[index].keyLocation = entry.keyLocation
        entries[index].value = entry.value.laid(over: entries[index].value)
      } else {
        entries.append(entry)
      }
    }
    return Value(.mapping(entries), at: location)
  }

  private func hasSameKind(as base: Value) -> Bool {
    guard case .scalar(let mine) = self["kind"]?.content else { return true }
    guard case .scalar(let other) = base["kind"]?.content else { return false }
    return mine == other
  }
}
