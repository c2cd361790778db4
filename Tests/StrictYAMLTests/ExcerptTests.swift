import Foundation
import Testing

@testable import StrictYAML

@Suite("Excerpts of catalogues")
struct ExcerptTests {
  private let folder = FileManager.default.temporaryDirectory
    .appendingPathComponent("switchyard-excerpt-\(UUID().uuidString)")

  private let text = """
    # About cars.
    engines:
      small:
        power: 40
        tests:
          hot: {runs: 3, worst: 9}
          cold: 4
        weight: 90
      large:
        power: 90
    cars:
      red:
        engine: small
        # a red one
      blue:
        engine: large
    colours:
      green: {of: nothing}

    """

  private func excerpt(
    prose: Set<String> = [], _ body: (inout Excerpt) throws -> Void
  ) throws {
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    let file = folder.appendingPathComponent("cars.yaml").path
    try Data(text.utf8).write(to: URL(fileURLWithPath: file))
    var excerpt = Excerpt(ofFiles: [file, folder.path + "/missing.yaml"], prose: prose)
    try body(&excerpt)
  }

  private func lines(_ excerpt: Excerpt, leavingOut key: String? = nil) throws -> [String] {
    let data = try #require(excerpt.files(leavingOut: key).first?.text)
    return String(decoding: data, as: UTF8.self).split(
      separator: "\n", omittingEmptySubsequences: false
    ).map(String.init)
  }

  @Test func anEntryBringsWhatItNamesAndStaysWhereItWas() throws {
    try excerpt { excerpt in
      excerpt.need(["red", "nobody"])
      let all = text.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
      let kept = try lines(excerpt)
      #expect(kept.count == all.count)
      for (number, line) in all.enumerated() {
        let isKept = number < 8 || (10...13).contains(number)
        #expect(kept[number] == (isKept ? line : ""), "line \(number + 1)")
      }
      #expect(excerpt.keeps("small") && !excerpt.keeps("large") && !excerpt.keeps("nobody"))
      excerpt.need(["large"])
      #expect(try lines(excerpt)[8] == "  large:")
    }
  }

  @Test func aKeyIsLeftOutWithAllBelowIt() throws {
    try excerpt { excerpt in
      excerpt.need(["red"])
      let (kept, less) = (try lines(excerpt), try lines(excerpt, leavingOut: "tests"))
      for number in kept.indices {
        #expect(less[number] == ((4...6).contains(number) ? "" : kept[number]))
      }
    }
  }

  @Test func entriesSayWhatStandsAfterTheirKeys() throws {
    try excerpt { excerpt in
      let cars = excerpt.entries(of: "cars", saying: ["engine"])
      #expect(cars.map(\.name) == ["red", "blue"])
      #expect(cars.map(\.values) == [["small"], ["large"]])
      #expect(
        excerpt.entries(of: "engines", saying: ["weight", "power"]).map(\.values)
          == [["90", "40"], [nil, "90"]])
      #expect(excerpt.entries(of: "boats", saying: []).isEmpty)
    }
  }

  @Test func whatProseNamesIsNotNeeded() throws {
    try excerpt(prose: ["cars"]) { excerpt in
      excerpt.need(["red"])
      #expect(excerpt.keeps("red") && !excerpt.keeps("small"))
    }
  }

  @Test func nothingNeededIsNothingKept() throws {
    try excerpt { #expect($0.files().first?.text == nil) }
  }
}
