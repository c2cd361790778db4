import Foundation
import GRDB
import Testing
import Traces

@Suite("switchyard trace")
struct TraceCommandTests {
  let bench: Workbench

  init() throws { bench = try Workbench() }

  @Test("info says what the shipped trace is of, and that it was recorded")
  func info() throws {
    let text = try bench.output(of: "trace", "info", Workbench.trace)
    for words in [
      "switchyard-docs-moe\n", "recorded\n", "8 (ids 0-7)\n", "64, top-6\n", "verified\n",
      "45701 (25149 prefill, 20552 decode)\n",
    ] { #expect(text.contains(words), "\(words)") }
    let json = try bench.output(of: "trace", "info", Workbench.trace, "--json")
    let object = try #require(
      JSONSerialization.jsonObject(with: Data(json.utf8)) as? [String: Any])
    #expect(object["prefillTokens"] as? Int == 25149)
    #expect(object["origin"] as? String == "recorded")
    #expect(object["layerIDs"] as? [Int] == Array(0..<8))
  }

  @Test("stats measures the shipped trace's skew, reuse and imbalance")
  func stats() throws {
    let text = try bench.output(of: "trace", "stats", Workbench.trace)
    for words in [
      "load skew, layer mean (worst)", "next-token reuse, prefill", "next-token reuse, decode",
      "H(next layer)", "H(next | this)", "coverage of top 20 % of candidates",
      "max/mean load, 8 contiguous devices, batch 128",
    ] { #expect(text.contains(words), "\(words)") }
    let json = try bench.output(of: "trace", "stats", Workbench.trace, "--json")
    let object = try #require(
      JSONSerialization.jsonObject(with: Data(json.utf8)) as? [String: Any])
    let skew = try #require(object["loadSkewMean"] as? Double)
    #expect(skew > 1 && skew < 64)  // no expert has less than the mean's load or more than all
    let (entropy, conditional) = (
      try #require(object["nextLayerEntropyBits"] as? Double),
      try #require(object["nextLayerConditionalEntropyBits"] as? Double)
    )
    #expect(conditional < entropy && entropy <= 6)  // 64 experts are 6 bits
  }

  @Test("A run on a synthetic trace says so in summary, JSON, CSV and SQLite")
  func synthetic() throws {
    let made = try bench.run([
      "trace", "synthesize", Workbench.trace, "--sequences", "40", "--decode", "8", "-o",
      "made.routing",
    ])
    #expect(made.exitCode == 0 && made.output == "")
    #expect(
      made.errors.hasPrefix(
        "wrote made.routing: SYNTHETIC, 8 MoE layers of 64 experts, top-6, 40 sequences of 8 tokens"
      ))
    #expect(
      try bench.output(of: "trace", "info", "made.routing").contains("SYNTHETIC, not recorded"))
    #expect(
      try bench.output(of: "trace", "stats", "made.routing").contains("SYNTHETIC, not recorded"))

    try bench.scenario("workload: {routing: {trace: made.routing}}")
    #expect(
      try bench.output(of: "check", "scenario.yaml").contains("made.routing (synthetic, of "))
    let remark = "synthetic trace: the expert selections were generated, not recorded"
    let text = try bench.output(
      of: "run", "scenario.yaml", "--out", "results.sqlite", "--csv", "csv")
    #expect(text.contains("  - \(remark)\n"))
    let json = try bench.output(of: "run", "scenario.yaml", "--json")
    #expect(json.contains("\"trace_is_synthetic\" : true"))
    #expect(json.contains(remark))
    let origin = "the trace is synthetic: drawn with seed 0 from the popularity of experts"
    #expect(try bench.text(bench.file("csv/remarks.csv")).contains(origin))
    var configuration = Configuration()
    configuration.readonly = true
    let queue = try DatabaseQueue(
      path: bench.file("results.sqlite"), configuration: configuration)
    let (isSynthetic, remarks) = try queue.read { database in
      (
        try Bool.fetchOne(database, sql: "SELECT trace_is_synthetic FROM summary"),
        try String.fetchAll(database, sql: "SELECT remark FROM remarks")
      )
    }
    #expect(isSynthetic == true)
    #expect(remarks.contains { $0.hasPrefix(origin) })
  }

  /// Three decoded tokens, two layers, top-2 of four experts.
  private static let selections: [[[UInt8]]] = [
    [[0, 1], [2, 3]], [[3, 2], [1, 0]], [[1, 3], [0, 2]],
  ]

  /// NumPy's format 1.0: magic, version, length of the header, the header padded to 64 bytes.
  private static func numPyArray(_ shape: String, _ bytes: [UInt8]) -> Data {
    var header = "{'descr': '|u1', 'fortran_order': False, 'shape': \(shape), }"
    while (10 + header.utf8.count + 1) % 64 != 0 { header += " " }
    header += "\n"
    let length = header.utf8.count
    return Data(
      [0x93] + Array("NUMPY".utf8) + [1, 0, UInt8(length & 255), UInt8(length >> 8)]
        + Array(header.utf8) + bytes)
  }

  private static let csv =
    "request,phase,token,layer,e0,e1\n"
    + selections.enumerated().flatMap { token, layers in
      layers.enumerated().map { "a,decode,\(token),\($0 + 5),\($1[0]),\($1[1])\n" }
    }.joined()

  private static let jsonl = selections.enumerated().flatMap { token, layers in
    layers.enumerated().map { layer, experts in
      #"{"request":"a","phase":"decode","token":\#(token),"layer":\#(layer + 5),"#
        + #""experts":[\#(experts[0]),\#(experts[1])]}"# + "\n"
    }
  }.joined()

  /// What an imported trace holds.
  private func imported(_ name: String, _ options: String...) throws -> RoutingTrace {
    let arguments = ["trace", "import", name, "--model", "tiny", "--experts", "4"]
    let outcome = try bench.run(arguments + options + ["-o", "\(name).routing"])
    #expect(outcome.output == "")
    #expect(
      outcome.errors.hasSuffix(
        "wrote \(name).routing: tiny, 2 MoE layers of 4 experts, top-2, 1 sequences, 3 tokens\n"))
    try #require(outcome.exitCode == 0)
    let trace = try RoutingTrace(opening: bench.file("\(name).routing"))
    try trace.verify()
    return trace
  }

  private func expectSelections(_ trace: RoutingTrace) {
    for (token, layers) in Self.selections.enumerated() {
      for (layer, experts) in layers.enumerated() {
        #expect(trace.selections(token: token, layer: layer) == experts.map(Int.init))
      }
    }
    #expect(trace.shape.model == "tiny" && trace.origin == .recorded)
    #expect(trace.prefillTokens == 0 && trace.decodeTokens == 3)
  }

  @Test("import keeps every selection of a NumPy array")
  func numPy() throws {
    try bench.write(
      Self.numPyArray("(3, 2, 2)", Self.selections.joined().flatMap { $0 }), to: "small.npy")
    let trace = try imported("small.npy", "--phase", "decode")
    expectSelections(trace)
    #expect(trace.shape.layerIDs == [0, 1])
    #expect(trace.provenance == "imported from small.npy")
  }

  @Test("import keeps every selection of a CSV file")
  func tokenCSV() throws {
    try bench.write(Self.csv, to: "small.csv")
    let trace = try imported("small.csv", "--provenance", "made by a test")
    expectSelections(trace)
    #expect(trace.shape.layerIDs == [5, 6])
    #expect(trace.provenance == "made by a test")
  }

  @Test("import keeps every selection of JSON lines")
  func jsonLines() throws {
    try bench.write(Self.jsonl, to: "small.jsonl")
    let trace = try imported("small.jsonl")
    expectSelections(trace)
    #expect(trace.shape.layerIDs == [5, 6])
  }

  @Test("synthesize draws the same trace from the same seed on any number of threads")
  func sameSynthesis() throws {
    try bench.write(Self.jsonl, to: "small.jsonl")
    _ = try imported("small.jsonl")
    for (name, options) in [
      ("one", ["--threads", "1"]), ("four", ["--threads", "4"]), ("other", ["--seed", "1"]),
    ] {
      let outcome = try bench.run(
        ["trace", "synthesize", "small.jsonl.routing", "-o", name] + options)
      #expect(outcome.exitCode == 0)
    }
    #expect(try bench.bytes("one") == bench.bytes("four"))
    #expect(try bench.bytes("one") != bench.bytes("other"))
  }

  @Test("import refuses an expert that the model does not have, and leaves no file")
  func expertOutOfRange() throws {
    var selections = Self.selections.joined().flatMap { $0 }
    selections[6] = 9
    try bench.write(Self.numPyArray("(3, 2, 2)", selections), to: "bad.npy")
    #expect(
      try bench.refusal(
        "trace", "import", "bad.npy", "--experts", "4", "--phase", "decode", "-o", "bad.routing")
        == "bad.npy: expert 9 at token 1, layer 1 is out of range; the model has experts 0 to 3")
    try bench.write(Self.csv.replacingOccurrences(of: "2,6,0,2", with: "2,6,0,7"), to: "bad.csv")
    #expect(
      try bench.refusal("trace", "import", "bad.csv", "--experts", "4", "-o", "bad.routing")
        == "bad.csv:7: expert 7 is out of range; the model has experts 0 to 3")
    #expect(try bench.contents == ["bad.csv", "bad.npy"])
  }

  @Test("import refuses what it cannot know, and what would replace a trace")
  func importMistakes() throws {
    try bench.write(
      Self.numPyArray("(3, 2, 2)", Self.selections.joined().flatMap { $0 }), to: "small.npy")
    #expect(
      try bench.refusal("trace", "import", "small.npy", "--experts", "4", "-o", "a.routing")
        == "small.npy: the format does not say whether its tokens are prefill or decode; "
        + "say it with --phase prefill or --phase decode")
    try bench.write(
      Self.numPyArray("(3, 2, 2)", [0, 1, 2, 3, 3, 2, 1, 0, 1]), to: "short.npy")
    #expect(
      try bench.refusal(
        "trace", "import", "short.npy", "--experts", "4", "--phase", "decode", "-o", "a.routing")
        == "short.npy: the trace is truncated: 140 bytes are needed, the file has 137")
    #expect(
      try bench.refusal("trace", "import", "none.csv", "--experts", "4", "-o", "a.routing")
        == "none.csv: cannot be read: No such file or directory")
    try bench.write("kept", to: "kept.routing")
    #expect(
      try bench.refusal(
        "trace", "import", "small.npy", "--experts", "4", "--phase", "decode", "-o", "kept.routing")
        == "kept.routing: exists already; --force replaces it")
    #expect(
      try bench.refusal(
        "trace", "import", "small.npy", "--experts", "4", "--phase", "decode", "-o",
        "none/a.routing") == "none/a.routing: cannot be written: No such file or directory")
    #expect(try bench.text(bench.file("kept.routing")) == "kept")
    #expect(try bench.contents == ["kept.routing", "short.npy", "small.npy"])
  }

  @Test("info refuses what is no whole trace, each with its reason")
  func badTraces() throws {
    let trace = try Data(contentsOf: URL(fileURLWithPath: Workbench.trace))
    try bench.write(trace.prefix(100_000), to: "cut.routing")
    let cut = try bench.refusal("trace", "info", "cut.routing")
    let needed = try #require(
      cut.wholeMatch(
        of: /cut\.routing: the trace is truncated: (\d+) bytes are needed, the file has 100000/))
    #expect(try #require(Int(needed.1)) <= trace.count)
    try bench.write(Data(), to: "empty.routing")
    #expect(
      try bench.refusal("trace", "info", "empty.routing") == "empty.routing: the file is empty")
    try bench.write(
      Data((0..<4096).map { UInt8(truncatingIfNeeded: $0 &* 167 &+ 13) }), to: "noise.routing")
    #expect(
      try bench.refusal("trace", "stats", "noise.routing")
        == "noise.routing: not a routing trace (the first bytes are not a trace's); "
        + "'switchyard trace import' makes one from other formats")
    var flipped = trace
    flipped[100_000] ^= 1
    try bench.write(flipped, to: "flipped.routing")
    #expect(
      try bench.refusal("trace", "info", "flipped.routing")
        == "flipped.routing: the trace is damaged: the checksum of its expert selections "
        + "does not match")
    #expect(
      try bench.refusal("trace", "info", "none.routing")
        == "none.routing: cannot be read: No such file or directory")
  }

  @Test("synthesize refuses what it would ignore or cannot draw, and leaves no file")
  func synthesisMistakes() throws {
    func mistake(_ options: String...) throws -> String {
      try bench.refusal(
        of: ["trace", "synthesize", Workbench.trace, "-o", "a.routing"] + options)
    }
    #expect(
      try mistake("--first-layer", "3").hasPrefix(
        "Error: --first-layer has no effect without --layers\n"))
    #expect(
      try mistake("--layers", "3", "--first-layer=9223372036854775807").hasPrefix(
        "Error: --first-layer is 9223372036854775807; it must be from 0 to 2147483647\n"))
    #expect(
      try mistake("--decode=9223372036854775807", "--prefill=1").hasPrefix(
        "Error: --decode is 9223372036854775807; it must be from 0 to 2147483647\n"))
    #expect(
      try mistake("--threads", "0").hasPrefix(
        "Error: --threads is 0; it must be from 1 to 1024\n"))
    #expect(
      try mistake("--sequences", "0")
        == "0 sequences of 64 tokens; at least one of each is needed")
    #expect(try mistake("--top-k", "65").contains("65"))
    #expect(try bench.contents == [])
  }
}
