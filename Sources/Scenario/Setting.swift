import StrictYAML

/// One `--set PATH=VALUE`: a path of keys joined by dots, and a YAML value for it.
struct Setting {
  /// The option that it came with.
  var option = "--set"
  var argument: String
  var path: [String]
  var value: Value

  /// The file name that the value's location carries: `--set workload.batch=64`.
  var name: String { Self.name(argument, option) }
  var key: String { path.joined(separator: ".") }

  private static func name(_ argument: String, _ option: String) -> String {
    let line = argument.prefix { !$0.isNewline }
    return "\(option) " + (line.count > 80 ? line.prefix(80) + "..." : line)
  }

  /// All settings, in order, or everything that is wrong with any of them.
  static func parse(
    _ arguments: [String], givenSeed: Bool, option: String = "--set"
  ) throws(Problems) -> [Setting] {
    let problems = ProblemCollector()
    let settings = arguments.compactMap { Setting($0, option, problems) }
    for (index, setting) in settings.enumerated() {
      if let later = settings[(index + 1)...].first(where: { setting.path.starts(with: $0.path) }) {
        problems.add(
          "'\(setting.key)' has no effect: '--set \(later.argument)' sets it again",
          at: setting.value.location)
      }
      if givenSeed, setting.path == ["seed"] {
        problems.add("'seed' is set by --seed as well; keep one", at: setting.value.location)
      }
    }
    try problems.throwIfAny()
    return settings
  }

  private init?(_ argument: String, _ option: String, _ problems: ProblemCollector) {
    let start = Location(file: Self.name(argument, option), line: 1, column: 1)
    guard let equals = argument.firstIndex(of: "=") else {
      problems.add("a setting has no '='; write '\(option) workload.batch=64'", at: start)
      return nil
    }
    let written = argument[argument.index(after: equals)...]
    let path = argument[..<equals].split(separator: ".", omittingEmptySubsequences: false)
    guard path.allSatisfy({ !$0.isEmpty && !$0.contains(" ") }) else {
      problems.add(
        "'\(argument[..<equals])' is not a path of keys joined by dots; "
          + "write '\(option) workload.batch=64'", at: start)
      return nil
    }
    guard path[0] != "extends" else {
      problems.add("'extends' cannot be set; it stands in a file", at: start)
      return nil
    }
    guard written.contains(where: { !$0.isWhitespace }) else {
      problems.add("'\(argument[..<equals])' is set to nothing; give a value after '='", at: start)
      return nil
    }
    do {
      value = try Value(parsing: String(written), file: Self.name(argument, option))
    } catch {
      problems.add(error)
      return nil
    }
    self.option = option
    self.argument = argument
    self.path = path.map(String.init)
  }

  /// `value` with every setting put in its place.
  static func apply(_ settings: [Setting], to value: Value) throws(Problems) -> Value {
    let problems = ProblemCollector()
    var value = value
    for setting in settings {
      value = setting.spellingOutPolicy(in: value)
      if let obstacle = setting.obstacle(in: value) {
        problems.add(
          "'\(obstacle.key)' is \(obstacle.value.kindName), not a mapping; "
            + "there is no '\(setting.key)' to set", at: setting.value.location)
      } else {
        value = value.setting(setting.path[...], to: setting.value)
      }
    }
    try problems.throwIfAny()
    return value
  }

  /// A policy that is a word is the mapping whose `kind` is that word: written so where a key of it
  /// is to be set.
  private func spellingOutPolicy(in root: Value) -> Value {
    guard path.count == 3, path[0] == "policies",
      let policy = root["policies"]?[path[1]], case .scalar = policy.content
    else { return root }
    let kind = Value.Entry(key: "kind", keyLocation: policy.location, value: policy)
    return root.setting(path[..<2], to: Value(.mapping([kind]), at: policy.location))
  }

  /// What on the way to the key is there but no mapping.
  private func obstacle(in root: Value) -> (key: String, value: Value)? {
    var value = root
    for (depth, key) in path.enumerated() {
      guard case .mapping = value.content else {
        let walked = path[..<depth].joined(separator: ".")
        return (walked.isEmpty ? "the scenario" : walked, value)
      }
      guard let inner = value[key] else { return nil }
      value = inner
    }
    return nil
  }
}
