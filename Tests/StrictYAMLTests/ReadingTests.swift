import Testing
import Units

@testable import StrictYAML

@Suite struct ReadingTests {
  private enum Policy: String, CaseIterable { case fetch, resident }

  /// What is wrong with a text, according to a reading of it.
  private func problems(_ text: String, _ read: (MappingReader) -> Void) throws -> [String] {
    let collector = ProblemCollector()
    let reader = MappingReader(try Value(parsing: text, file: "s.yaml"), collector)
    read(reader)
    reader.finish()
    do { try collector.throwIfAny() } catch { return error.list.map(\.description) }
    return []
  }

  /// An expectation inside the closure of another one.
  private func same<T: Equatable>(_ found: T?, _ expected: T) { #expect(found == expected) }

  @Test func anUnknownKeyIsToldWithItsPlaceAndItsNeighbour() throws {
    let found = try problems("bandwidth: 1 GB/s\nlatencyy: 2 us\n") {
      _ = $0.quantity("bandwidth", PerSecond<Byte>.self)
      _ = $0.optionalQuantity("latency", Second.self)
    }
    #expect(found == ["s.yaml:2:1: unknown key 'latencyy'; did you mean 'latency'?"])
  }

  @Test func anUnknownKeyFarFromAllIsToldWithWhatIsKnown() throws {
    let found = try problems("zzzzz: 1\n") {
      _ = $0.optionalInteger("batch", in: 1...8)
      _ = $0.optionalText("name")
    }
    #expect(found == ["s.yaml:1:1: unknown key 'zzzzz'; known here: batch, name"])
  }

  @Test func aQuantityWithoutItsUnitIsRefused() throws {
    let found = try problems("bandwidth: 3.35\n") {
      _ = $0.quantity("bandwidth", PerSecond<Byte>.self)
    }
    #expect(found.count == 1)
    #expect(found.first?.hasPrefix("s.yaml:1:12: 'bandwidth': '3.35' has no unit") == true)
  }

  @Test func aQuantityMustBeMoreThanZero() throws {
    let read: (MappingReader) -> Void = { _ = $0.quantity("bandwidth", PerSecond<Byte>.self) }
    #expect(
      try problems("bandwidth: -1 GB/s", read)
        == ["s.yaml:1:12: 'bandwidth' is '-1 GB/s'; it must be more than zero"])
    #expect(try problems("bandwidth: 0 GB/s", read).count == 1)
    #expect(try problems("bandwidth: 1 GB/s", read).isEmpty)
  }

  @Test func aKeyThatStandsTwiceIsRefused() {
    let error = #expect(throws: Problems.self) {
      try Value(parsing: "batch: 1\nname: x\nbatch: 2\n", file: "s.yaml")
    }
    #expect(error?.list.first?.sentence == "'batch' stands twice in one mapping; keep one")
  }

  /// YAML 1.1 reads 017 as 15, YAML 1.2 as 17.
  @Test(arguments: ["017", "0x11", "1e3", "1.0", "+5", "5 ", "_5", "", "yes", "0o17"])
  func anUnclearIntegerIsRefused(text: String) throws {
    let found = try problems("batch: '\(text)'\n") { _ = $0.integer("batch", in: 0...100_000) }
    #expect(found.count == 1, "\(found)")
  }

  @Test func aClearIntegerIsRead() throws {
    #expect(
      try problems("n: 1_000_000") { same($0.integer("n", in: 0...Int.max), 1_000_000) } == [])
    #expect(try problems("n: -5") { same($0.integer("n", in: -9...0), -5) } == [])
    #expect(try problems("n: 0") { same($0.integer("n", in: 0...1), 0) } == [])
    #expect(
      try problems("n: 99999999999999999999") { _ = $0.integer("n", in: 0...Int.max) }.count == 1)
  }

  @Test(arguments: ["nan", "inf", ".5x", "1,5", "0x1p3", "1e999"])
  func anUnclearNumberIsRefused(text: String) throws {
    #expect(try problems("f: '\(text)'") { _ = $0.number("f", in: -1e300...1e300) }.count == 1)
  }

  @Test func onlyTrueAndFalseAreTruthValues() throws {
    for text in ["yes", "on", "True", "1", "~"] {
      #expect(try problems("b: \(text)") { _ = $0.boolean("b", default: false) }.count == 1)
    }
    #expect(try problems("b: true") { same($0.boolean("b", default: false), true) } == [])
    #expect(try problems("{}") { same($0.boolean("b", default: false), false) } == [])
  }

  @Test func aWordOutsideItsListIsToldWithTheList() throws {
    #expect(
      try problems("execution: fetched") { _ = $0.word("execution", Policy.self) }
        == ["s.yaml:1:12: 'fetched' is not a value of 'execution'; did you mean 'fetch'?"])
    #expect(
      try problems("execution: magic") { _ = $0.word("execution", Policy.self) }
        == ["s.yaml:1:12: 'magic' is not a value of 'execution'; one of: fetch, resident"])
  }

  @Test func allProblemsAreToldAtOnceInTheOrderOfTheFile() throws {
    let text = """
      name: [not, a, name]
      batch: 017
      network:
        bandwidth: 400
        latensy: 1 us
      wrong: here
      """
    // Read in another order than written.
    let found = try problems(text) { reader in
      if let network = reader.mapping("network", context: "'network'") {
        _ = network.optionalQuantity("latency", Second.self)
        _ = network.quantity("bandwidth", PerSecond<Byte>.self)
        network.finish()
      }
      _ = reader.integer("batch", in: 1...8)
      _ = reader.text("name")
      _ = reader.text("model", example: "mixtral-8x7b")
    }
    let places = found.map { $0.split(separator: " ").first.map(String.init) }
    #expect(
      places == [
        "s.yaml:1:1:", "s.yaml:1:7:", "s.yaml:2:8:", "s.yaml:4:14:", "s.yaml:5:3:", "s.yaml:6:1:",
      ])
    #expect(
      found.first?.hasSuffix("'model' is missing; write it like 'model: mixtral-8x7b'") == true)
  }

  @Test func aMappingInPlaceOfSomethingElseIsSaid() throws {
    #expect(
      try problems("workload: 5") { _ = $0.mapping("workload", context: "'workload'") }
        == ["s.yaml:1:11: 'workload' is a mapping of keys, not '5'"])
    #expect(
      try problems("- a") { _ = $0.optionalText("name") }
        == ["s.yaml:1:1: a mapping is a mapping of keys, not a sequence"])
  }

  @Test func sourcesOfNumbersAreCheckedAndKept() throws {
    let text = """
      source: sheet
      memory: [80 GB, paper]
      cores: 132
      link: {source: unverified, rate: 450 GB/s}
      """
    let book = SourceBook(citations: ["sheet": "A sheet", "paper": "A paper", "unverified": "-"])
    #expect(
      try problems(text) { reader in
        let sourced = SourcedReader(reader, sources: book)
        same(sourced.quantity("memory", Byte.self), 80e9)
        same(sourced.integer("cores", in: 1...1000), 132)
        let link = sourced.mapping("link", context: "'link'")
        same(link?.quantity("rate", PerSecond<Byte>.self), 450e9)
        link?.finish()
        same(sourced.sources, ["memory": "paper", "cores": "sheet", "link.rate": "unverified"])
        same(sourced.unverified, ["link.rate"])
      } == [])
  }

  @Test func aSourceWithoutABookIsAProblem() throws {
    #expect(
      try problems("cores: [132, sheet]") {
        _ = SourcedReader($0, sources: nil).integer("cores", in: 1...1000)
      } == ["s.yaml:1:14: 'sheet' names a source, but this file has no 'sources'"])
    #expect(
      try problems("cores: 132") {
        same(SourcedReader($0, sources: nil).integer("cores", in: 1...1000), 132)
      } == [])
  }
}

@Suite struct ValueTests {
  @Test func overridesMergeKeyByKeyAndReplaceTheRest() throws {
    let base = try Value(parsing: "a: {b: 1, c: [1, 2]}\nd: 4\n", file: "base.yaml")
    let over = try Value(parsing: "a: {c: [3]}\ne: 5\n", file: "over.yaml")
    let merged = over.merged(over: base)
    #expect(merged["a"]?["b"]?.kindName == "'1'")
    guard case .sequence(let list) = merged["a"]?["c"]?.content else {
      Issue.record("'c' is not a sequence")
      return
    }
    #expect(list.map(\.kindName) == ["'3'"])
    #expect(merged["a"]?["c"]?.location.file == "over.yaml")
    #expect(merged["d"]?.location == Location(file: "base.yaml", line: 2, column: 4))
    #expect(merged["e"]?.kindName == "'5'")
  }

  @Test func aSettingMakesTheMappingsOnItsWay() throws {
    let place = Location(file: "--set", line: 1, column: 1)
    let base = try Value(parsing: "a: {b: 1}\n", file: "base.yaml")
    let set = base.setting(["a", "x", "y"], to: Value(.scalar("2"), at: place))
    #expect(set["a"]?["b"]?.kindName == "'1'")
    #expect(set["a"]?["x"]?["y"]?.location == place)
  }

  @Test func theNearestWordIsFoundOnlyWhereItIsNear() {
    #expect(nearest(to: "plcement", among: ["placement", "execution"]) == "placement")
    #expect(nearest(to: "zzz", among: ["placement", "execution"]) == nil)
    #expect(nearest(to: "x", among: [String]()) == nil)
    #expect(nearest(to: String(repeating: "a", count: 100_000), among: ["a"]) == nil)
  }
}
