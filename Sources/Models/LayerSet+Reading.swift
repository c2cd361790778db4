import StrictYAML

extension LayerSet {
  /// Reads which layers: `all`, `{after: 3}` (all but the first three), `{every: 2}` (the last of
  /// each two), `{every: 8, offset: 4}`, or their numbers from 0: `[4, 12, 20, 28]`.
  ///
  /// - Parameter set: What an absent key means; nil where it is required.
  static func reading(
    _ reader: SourcedReader, _ key: String, layers: Int, default set: LayerSet? = nil
  ) -> LayerSet? {
    let outer = reader.reader
    if let set, !outer.has(key) {
      _ = outer.optional(key)
      return set
    }
    guard let value = outer.required(key, example: "{every: 2}") else { return nil }
    let found: LayerSet?
    switch value.content {
    case .scalar("all"):
      return .all(of: layers)
    case .sequence(let numbers):
      let list = numbers.map { $0.integer(key, in: 0...layers - 1, outer.problems) }
      found = list.contains(nil) ? nil : .listed(list.compactMap { $0 }, of: layers)
    case .mapping:
      found = reader.mapping(key, context: "'\(key)'").flatMap { rule($0, layers: layers) }
    default:
      outer.problems.add(
        "'\(key)' is 'all', '{after: 1}', '{every: 2}' or a list of layer numbers from 0, not "
          + value.kindName, at: value.location)
      return nil
    }
    if let found, found.count == 0 {
      outer.problems.add("'\(key)' names none of the \(layers) layers", at: value.location)
      return nil
    }
    return found
  }

  private static func rule(_ reader: SourcedReader, layers: Int) -> LayerSet? {
    defer { reader.finish() }
    if reader.reader.has("after") {
      return reader.integer("after", in: 1...511).map { .after($0, of: layers) }
    }
    guard let period = reader.integer("every", in: 1...512) else { return nil }
    let offset = reader.optionalInteger("offset", in: 0...period - 1)
    return .every(period, offset: offset, of: layers)
  }
}
