import Foundation
import StrictYAML

/// The models that come with Switchyard, and those of files a person adds.
///
///     let catalogue = try ModelCatalogue.load()
///     let model = try catalogue.named("gpt-oss-20b").architecture
///
/// A catalogue file has `sources`, id to citation, and `models`, name to entry; every number of an
/// entry names its source (see `SourcedReader`). An entry that says `like: other` has everything
/// that the other entry of the same file has, but for the keys it gives itself.
public struct ModelCatalogue: Sendable {
  /// Sorted by name.
  public let entries: [Entry]

  /// A model and what is known of where its numbers come from.
  public struct Entry: Sendable {
    /// The word a scenario uses.
    public var name: String
    /// Other words for the same model.
    public var otherNames: [String]
    /// The name as its makers write it.
    public var title: String
    public var architecture: ModelArchitecture
    /// What a reader of results should know.
    public var note: String?
    /// Parameters as its makers state them, in all and for each token.
    public var publishedParameters: Double?
    public var publishedActiveParameters: Double?
    /// Path of each number in the entry (`experts.count`) -> where it comes from.
    public var citations: [String: String]
    /// Paths of the numbers that are from memory.
    public var unverified: [String]
  }

  /// Reads the models that ship with Switchyard and those of `extraFiles`.
  ///
  /// - Throws: `Problems` with everything that is wrong in any of the files, also a name that
  ///   stands in two of them.
  public static func load(extraFiles: [String] = []) throws(Problems) -> ModelCatalogue {
    let problems = ProblemCollector()
    var entries: [Entry] = []
    var places: [String: Location] = [:]
    for file in shippedFiles() + extraFiles {
      do {
        let file = try CatalogueFile(reading: Value.contents(ofFile: file), problems)
        for (entry, place) in file.entries {
          for name in [entry.name] + entry.otherNames {
            if let first = places.updateValue(place, forKey: name) {
              problems.add(
                "the model '\(name)' is already in \(first.file), line \(first.line); "
                  + "give this one another name", at: place)
            }
          }
          entries.append(entry)
        }
      } catch {
        problems.add(error)
      }
    }
    try problems.throwIfAny()
    return ModelCatalogue(entries: entries.sorted { $0.name < $1.name })
  }

  /// The same with those entries only that some names need, and those of `extraFiles`.
  ///
  /// - Throws: ``Problems``. Where anything is wrong, ``load(extraFiles:)`` says so with suggestions.
  public static func load(
    naming names: Set<String>, extraFiles: [String] = []
  ) throws(Problems) -> ModelCatalogue {
    let problems = ProblemCollector()
    var seeds = names
    var values: [Value] = []
    for path in extraFiles {
      let file = try Value.contents(ofFile: path)
      file.words(into: &seeds)
      values.append(file)
    }
    var excerpt = Excerpt(ofFiles: shippedFiles(), prose: ["sources"])
    excerpt.need(seeds)
    for (path, text) in excerpt.files() {
      if let text { values.insert(try Value(parsing: text, file: path), at: 0) }
    }
    var entries: [Entry] = []
    for value in values {
      entries += CatalogueFile(reading: value, problems).entries.map(\.0)
    }
    try problems.throwIfAny()
    return ModelCatalogue(entries: entries.sorted { $0.name < $1.name })
  }

  /// The entry of this name.
  ///
  /// - Throws: ``UnknownModel``.
  public func named(_ name: String) throws(UnknownModel) -> Entry {
    if let entry = entries.first(where: { $0.name == name || $0.otherNames.contains(name) }) {
      return entry
    }
    throw UnknownModel(name: name, known: entries.map(\.name))
  }

  private static func shippedFiles() -> [String] {
    guard let folder = Bundle.module.url(forResource: "Catalogue", withExtension: nil) else {
      return []
    }
    let names = (try? FileManager.default.contentsOfDirectory(atPath: folder.path)) ?? []
    return names.filter { $0.hasSuffix(".yaml") }.sorted().map {
      folder.appendingPathComponent($0).path
    }
  }
}

/// A name that no catalogue entry has.
public struct UnknownModel: Error, Hashable, Sendable {
  public var name: String
  /// All names there are.
  public var known: [String]

  /// What is wrong and what would be right, in one sentence without a full stop.
  public var sentence: String {
    let lowercased = name.lowercased().replacing(" ", with: "-")
    let begun = known.filter { !lowercased.isEmpty && $0.hasPrefix(lowercased) }
    let hint =
      if let meant = nearest(to: lowercased, among: known) {
        "did you mean '\(meant)'?"
      } else if !begun.isEmpty {
        "did you mean one of \(begun.joined(separator: ", "))?"
      } else {
        "known models: \(known.joined(separator: ", "))"
      }
    return "there is no model '\(name)' in the catalogue; \(hint)"
  }
}

/// One catalogue file.
struct CatalogueFile {
  var entries: [(entry: ModelCatalogue.Entry, place: Location)] = []

  init(reading value: Value, _ problems: ProblemCollector) {
    let reader = MappingReader(value, problems, context: "a catalogue of models")
    let sources = reader.mapping("sources", context: "'sources'").map(SourceBook.init(reading:))
    let models = reader.mapping("models", context: "'models'")
    reader.finish()
    guard let sources, let models else { return }
    for name in models.keys {
      guard let written = models.required(name) else { continue }
      let whole = Self.completed(written, among: models.value, problems)
      let mapping = MappingReader(whole, problems, context: "the model '\(name)'")
      if let entry = ModelCatalogue.Entry(reading: mapping, name: name, sources) {
        entries.append((entry, models.location(of: name)))
      }
    }
  }

  /// The entry with what `like` names filled in.
  private static func completed(
    _ entry: Value, among models: Value, _ problems: ProblemCollector
  ) -> Value {
    guard let like = entry["like"], let name = like.text("like", problems) else { return entry }
    guard let base = models[name], base["like"] == nil else {
      problems.add(
        "'like' names '\(name)', which is not a model of this file that is written out in full",
        at: like.location)
      return entry.removing(key: "like")
    }
    return entry.removing(key: "like").merged(over: base.removing(key: "other-names"))
  }
}

extension ModelCatalogue.Entry {
  fileprivate init?(reading reader: MappingReader, name: String, _ book: SourceBook) {
    let title = reader.text("title", example: "Mixtral 8x7B")
    let note = reader.optionalText("note")
    let names = reader.optional("other-names")?.sequence("other-names", reader.problems) ?? []
    let otherNames = names.compactMap { $0.text("other-names", reader.problems) }
    let sourced = SourcedReader(reader, sources: book)
    let published = sourced.optionalMapping("published", context: "'published'")
    let total = published?.optionalNumber("parameters", in: 1e6...1e15)
    let active = published?.optionalNumber("active-parameters", in: 1e6...1e15)
    published?.finish()
    let architecture = ModelArchitecture(reading: sourced, name: name)
    sourced.finish()
    guard let title, let architecture else { return nil }
    self.init(
      name: name, otherNames: otherNames, title: title, architecture: architecture, note: note,
      publishedParameters: total, publishedActiveParameters: active,
      citations: sourced.sources.compactMapValues { book.citations[$0] },
      unverified: sourced.unverified)
  }
}
