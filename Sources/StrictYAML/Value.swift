/// Where in which file something stands; lines and columns count from 1.
public struct Location: Hashable, Sendable, Comparable {
  public var file: String
  public var line: Int
  public var column: Int

  public init(file: String, line: Int, column: Int) {
    self.file = file
    self.line = line
    self.column = column
  }

  public static func < (a: Location, b: Location) -> Bool {
    (a.file, a.line, a.column) < (b.file, b.line, b.column)
  }
}

/// A YAML node that remembers where it was written.
///
/// Scalars stay text: what `017`, `yes` or `1e3` mean is decided by who reads them (see
/// ``MappingReader``), never by YAML 1.1's guesses.
public struct Value: Sendable {
  public var content: Content
  public var location: Location

  public init(_ content: Content, at location: Location) {
    self.content = content
    self.location = location
  }

  public indirect enum Content: Sendable {
    case null
    case scalar(String)
    case sequence([Value])
    case mapping([Entry])
  }

  /// One `key: value` of a mapping, in the order of the file.
  public struct Entry: Sendable {
    public var key: String
    public var keyLocation: Location
    public var value: Value

    public init(key: String, keyLocation: Location, value: Value) {
      self.key = key
      self.keyLocation = keyLocation
      self.value = value
    }
  }

  /// "a mapping", "a sequence", ...: what an error says was found.
  public var kindName: String {
    switch content {
    case .null: "nothing"
    case .scalar(let text): "'\(text)'"
    case .sequence: "a sequence"
    case .mapping: "a mapping"
    }
  }

  public var isMapping: Bool {
    if case .mapping = content { return true }
    return false
  }

  /// Whether this is a certain word.
  public func isWord(_ word: String) -> Bool {
    if case .scalar(word) = content { return true }
    return false
  }

  /// The value under a key, where this is a mapping that has it.
  public subscript(key: String) -> Value? {
    guard case .mapping(let entries) = content else { return nil }
    return entries.first { $0.key == key }?.value
  }
}

extension Value {
  /// This value over `base`: mappings are merged key by key, everything else replaces.
  public func merged(over base: Value) -> Value {
    guard case .mapping(let mine) = content, case .mapping(var merged) = base.content else {
      return self
    }
    for entry in mine {
      if let index = merged.firstIndex(where: { $0.key == entry.key }) {
        merged[index].keyLocation = entry.keyLocation
        merged[index].value = entry.value.merged(over: merged[index].value)
      } else {
        merged.append(entry)
      }
    }
    return Value(.mapping(merged), at: location)
  }

  /// Puts `new` under a path of keys, making mappings on the way where there are none.
  public func setting(_ path: ArraySlice<String>, to new: Value) -> Value {
    guard let key = path.first else { return new }
    var entries: [Entry] = []
    if case .mapping(let existing) = content { entries = existing }
    let rest = path.dropFirst()
    if let index = entries.firstIndex(where: { $0.key == key }) {
      entries[index].value = entries[index].value.setting(rest, to: new)
      entries[index].keyLocation = new.location
    } else {
      let empty = Value(.mapping([]), at: new.location)
      entries.append(
        Entry(key: key, keyLocation: new.location, value: empty.setting(rest, to: new)))
    }
    return Value(.mapping(entries), at: location)
  }

  /// Takes the key at a path out, where it is.
  public func removing(key: String) -> Value {
    guard case .mapping(let entries) = content else { return self }
    return Value(.mapping(entries.filter { $0.key != key }), at: location)
  }
}
