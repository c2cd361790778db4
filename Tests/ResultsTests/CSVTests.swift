import Foundation
import Testing

@testable import Results

@Suite("CSV")
struct CSVTests {
  let directory: TemporaryDirectory

  init() throws { directory = try TemporaryDirectory() }

  @Test("Two writes of equal results are byte-identical, and no temporary file is left")
  func deterministic() throws {
    let (a, b) = (directory.file("a"), directory.file("b"))
    try exampleResult().writeCSV(toDirectory: a)
    try exampleResult().writeCSV(toDirectory: b)
    try exampleResult().writeCSV(toDirectory: b)  // over existing files
    let names = try FileManager.default.contentsOfDirectory(atPath: a).sorted()
    #expect(names == ResultTable.allCases.map { $0.rawValue + ".csv" }.sorted())
    #expect(try FileManager.default.contentsOfDirectory(atPath: b).sorted() == names)
    for name in names {
      #expect(try bytes(of: "\(a)/\(name)") == bytes(of: "\(b)/\(name)"))
    }
  }

  @Test("Headers carry units, numbers a point, and rows stand in a fixed order")
  func content() throws {
    try exampleResult().writeCSV(toDirectory: directory.path)
    func text(_ name: String) throws -> String {
      String(decoding: try bytes(of: directory.file(name)), as: UTF8.self)
    }
    #expect(
      try text("iterations.csv")
        == "iteration,start_ps,end_ps,tokens\n0,0,1000000,4\n1,1000000,2000000,4\n")
    #expect(
      try text("layer_load.csv")
        == "layer,device,token_expert_pairs,bytes_sent\n1,0,4,256\n1,1,14,128\n")
    #expect(
      try text("resources.csv").hasPrefix(
        "resource,name,kind,device,unit,capacity_per_s,served,utilisation,"
          + "is_link,busy_s,waited_s\n"
          + "0,gpu 0 HBM,HBM,0,B/s,1000000000000.0,1000000.0,0.5,0,1e-06,0.0\n"))
    #expect(
      try text("resources.csv").hasSuffix(
        "5,spare,spare links,,B/s,1000000000.0,0.0,0.0,1,0.0,0.0\n"))
    #expect(try text("duplicates.csv") == "experts_needed,experts_found\n10,4\n")
    #expect(try text("limits.csv") == "tokens_per_s,bound_by\n8000000.0,gpu memory\n")
    #expect(
      try text("roofs.csv").hasPrefix(
        "resource,position,share_of_bound,elasticity_of_bound,elasticity_in_turn,"
          + "critical_path_share\ngpu memory,0,1.0,1.0,1.0,0."))
    #expect(try text("roofs.csv").hasSuffix("links,1,0.25,0.0,0.25,\n"))
    #expect(
      try text("placements.csv").hasSuffix(
        "\neplb,home,sum,4,3,2,0.875,0.5,0.25,0.125,1.5,1.875,1.5,0.25,0.125,1.75,0.7,everything,"
          + "0.25,0\n"))
    #expect(try text("pair_traffic.csv") == "source,target,bytes\n0,1,256\n1,0,128\n")
    #expect(try text("devices.csv").contains("0,dispatch,401000\n"))  // 2 x 200,500 ps
    // Quotes are doubled, and a text with a line feed or a comma is quoted.
    #expect(
      try text("runs.csv").contains("\"switchyard: 1\nname: \"\"an example\"\", with a comma\n\""))
  }

  @Test("Tables that were not kept have no file, and older ones go")
  func notKept() throws {
    try exampleResult().writeCSV(toDirectory: directory.path)
    var result = try exampleResult(spans: .none)
    result.pairs = nil
    result.duplicates = nil
    result.bound = nil
    result.placement = nil
    let kept = ["spans", "pair_traffic", "duplicates", "limits", "roofs", "placements"]
      .map { $0 + ".csv" }
    #expect(Set(directory.contents).isSuperset(of: kept))
    try result.writeCSV(toDirectory: directory.path)
    #expect(Set(directory.contents).isDisjoint(with: kept))
    #expect(directory.contents.count == ResultTable.allCases.count - 6)
  }

  @Test("A file that is no earlier table is neither replaced nor removed")
  func others() throws {
    for name in ["runs.csv", "duplicates.csv"] {
      let folder = directory.file(name + " beside")
      var result = try exampleResult()
      result.duplicates = nil
      try result.writeCSV(toDirectory: folder)
      try Data("mine".utf8).write(to: URL(fileURLWithPath: "\(folder)/\(name)"))
      let before = try bytes(of: "\(folder)/stages.csv")
      let refusal =
        "'\(folder)/\(name)' cannot be written: it is another kind of file, which would be lost; give "
        + "another name"
      #expect(sentence { try result.writeCSV(toDirectory: folder) } == refusal)
      #expect(sentence { try OutputCheck.tables(inDirectory: folder) } == refusal)
      #expect(try bytes(of: "\(folder)/\(name)") == Data("mine".utf8))
      #expect(try bytes(of: "\(folder)/stages.csv") == before)
    }
  }

  @Test("Numbers as bytes read back as the same numbers")
  func numbers() {
    func text(_ body: (inout [UInt8]) -> Void) -> String {
      var bytes: [UInt8] = []
      body(&bytes)
      return String(decoding: bytes, as: UTF8.self)
    }
    for number: Int64 in [0, 9, 10, -1, 1_000_000, .max, .min] {
      #expect(text { $0.append(decimal: number) } == String(number))
    }
    for number in [0.1, 1e-12, 2.0 / 3, 1e300, 123456.789] {
      #expect(Double(text { $0.append(decimal: number) }) == number)
    }
  }

  @Test("A directory that cannot be made or is a file is told in a sentence")
  func errors() throws {
    let missing = directory.file("a/b")
    #expect(
      sentence { try exampleResult().writeCSV(toDirectory: missing) }
        == "'\(missing)' cannot be written: No such file or directory")
    let file = directory.file("file")
    try Data("x".utf8).write(to: URL(fileURLWithPath: file))
    #expect(
      sentence { try exampleResult().writeCSV(toDirectory: file) } == "'\(file)' is not a directory"
    )
  }

  @Test(
    "A full disk is told in a sentence",
    .enabled(if: hasFullDevice, "/dev/full is not the device that is always full"))
  func diskFull() throws {
    #expect(
      sentence { try exampleResult().writeHeatMap(to: "/dev/full") }.contains("no space left"))
    #expect(
      sentence { try TextOutput("/dev/full", startingWith: "").write("x") }.contains(
        "no space left"))
    #expect(
      sentence { try exampleResult().writeTimeline(to: "/dev/full") }
        == "'/dev/full' cannot be written: no space left on the device; what was there before is"
        + " unchanged")
  }

  @Test("A file that is not committed leaves what was there before")
  func uncommitted() throws {
    let path = directory.file("kept")
    try Data("before".utf8).write(to: URL(fileURLWithPath: path))
    do {
      let file = try OutputFile(path)
      try file.write { $0.append(text: "after") }
      try file.finish()
    }
    #expect(try bytes(of: path) == Data("before".utf8))
    #expect(directory.contents == ["kept"])
  }
}
