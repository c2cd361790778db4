import Foundation
import Testing

@testable import StrictYAML

/// Files that are no scenarios: each is refused with a sentence and costs little.
@Suite struct HostileFileTests {
  func sentence(_ data: Data) -> String? {
    do {
      _ = try Value(parsing: data, file: "x.yaml")
      return nil
    } catch {
      return error.list.first?.description
    }
  }

  func sentence(_ text: String) -> String? { sentence(Data(text.utf8)) }

  @Test(arguments: ["", "\n\n", "# only a comment\n", "---\n"])
  func anEmptyFileIsRefused(text: String) {
    let found = sentence(text)
    // `---` is a document that is null: what reads it says that a mapping was expected.
    #expect(
      text == "---\n"
        ? found == nil : found == "x.yaml:1:1: the file is empty; a YAML mapping is expected")
  }

  @Test func aBinaryFileIsRefused() {
    let refusal = "x.yaml:1:1: the file is not UTF-8 text; a YAML file is expected"
    #expect(sentence(Data([0x7f, 0x45, 0x4c, 0x46, 0x00, 0x01])) == refusal)
    #expect(sentence(Data([0x61, 0x3a, 0x20, 0xff, 0xfe])) == refusal)
  }

  @Test func aFileOfTenMegabytesIsRefused() {
    let refusal = "x.yaml:1:1: the file is larger than 8 MiB, the limit for YAML"
    #expect(sentence(Data(repeating: UInt8(ascii: "["), count: 10_000_000)) == refusal)
  }

  @Test func aFileOfTenMegabytesIsNotReadWhole() throws {
    let path = FileManager.default.temporaryDirectory.appendingPathComponent(
      "large-\(UUID().uuidString).yaml")
    defer { try? FileManager.default.removeItem(at: path) }
    try Data(repeating: UInt8(ascii: "a"), count: 10_000_000).write(to: path)
    let error = #expect(throws: Problems.self) { try Value.contents(ofFile: path.path) }
    #expect(error?.list.first?.sentence.contains("larger than 8 MiB") == true)
  }

  /// Every way to nest: the parser and we recurse once for each level.
  @Test(arguments: ["[", "{", "- ", "{a: ", "[{", "? ", "a: [", "!x [", "&a [", "[[], "])
  func aMegabyteOfNestingIsRefused(opening: String) {
    let text = String(repeating: opening, count: 1_000_000 / opening.utf8.count)
    #expect(sentence(text) != nil)
  }

  /// Balanced, so that only its depth is wrong; 64 levels are allowed.
  @Test func deepNestingIsRefusedWhereItPassesTheLimit() {
    func nested(_ depth: Int) -> String {
      String(repeating: "[", count: depth) + String(repeating: "]", count: depth)
    }
    #expect(sentence(nested(64)) == nil)
    #expect(sentence(nested(65)) == "x.yaml:1:65: values nested more than 64 deep")
    #expect(sentence(nested(100_000)) != nil)
  }

  /// Nine aliases of nine aliases, nine times over: 9^9 values from 500 bytes.
  @Test func anAliasBombIsRefused() {
    var text = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n"
    for level in 1...9 {
      let aliases = Array(repeating: "*a\(level - 1)", count: 9).joined(separator: ", ")
      text += "a\(level): &a\(level) [\(aliases)]\n"
    }
    #expect(
      sentence(text) == "x.yaml:1:1: more than 8 aliases (*name); write the values out")
  }

  /// Fewer aliases than the limit, but each of a large list.
  @Test func aliasesOfALargeListAreRefused() {
    let list = String(repeating: "x, ", count: 30_000)
    #expect(
      sentence("a: &a [\(list)]\nb: [*a, *a, *a]\n")?.contains(
        "more than 100000 values in one file") == true)
  }

  @Test(arguments: ["x, ", "[],", "\n- x", "\n? x"])
  func aFileOfVeryManyValuesIsRefused(value: String) {
    let text = "[" + String(repeating: value, count: 110_000) + "]"
    #expect(sentence(text) == "x.yaml:1:1: more than 100000 values in one file")
  }

  @Test func anAliasOfItselfOrOfNothingIsRefused() {
    #expect(sentence("a: &a [*a]") != nil)
    #expect(sentence("a: *b") != nil)
  }

  @Test func textThatIsNotYAMLIsRefusedWithItsPlace() {
    #expect(sentence("a: 1\nb: [1, 2\nc: 3\n")?.hasPrefix("x.yaml:3:") == true)
    #expect(sentence("a: 1\n\tb: 2\n")?.hasPrefix("x.yaml:2:") == true)
    #expect(sentence("a: \"open\n") != nil)
  }

  @Test func twoDocumentsInOneFileAreRefused() {
    #expect(sentence("a: 1\n---\nb: 2\n") != nil)
  }

  @Test func aMissingFileIsAProblemAndNotACrash() {
    let error = #expect(throws: Problems.self) { try Value.contents(ofFile: "/no/such.yaml") }
    #expect(error?.description == "/no/such.yaml:1:1: no such file")
    let folder = #expect(throws: Problems.self) { try Value.contents(ofFile: "/") }
    #expect(folder?.description == "/:1:1: cannot be read")
  }
}
