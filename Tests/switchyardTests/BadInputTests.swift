import Foundation
import Testing

@Suite("Bad input is refused with exit code 2 and a sentence")
struct BadInputTests {
  let bench: Workbench

  init() throws { bench = try Workbench() }

  /// Refuses a scenario, with and without a results file that must stay as it is.
  private func refusal(ofScenario name: String, _ options: String...) throws -> String {
    try bench.write("not to be touched", to: "kept.csv")
    let sentence = try bench.refusal(
      of: ["run", name, "--out", "results.sqlite", "--csv", "csv", "--timeline", "run.pftrace"]
        + options)
    #expect(try bench.refusal(of: ["check", name] + options) == sentence)
    for output in ["results.sqlite", "csv", "run.pftrace"] {
      #expect(!FileManager.default.fileExists(atPath: bench.file(output)))
    }
    return sentence
  }

  // MARK: - Files that are no scenario

  @Test("An empty scenario, a binary one, a folder, and none at all")
  func noScenario() throws {
    try bench.write("", to: "empty.yaml")
    #expect(
      try refusal(ofScenario: "empty.yaml")
        == "empty.yaml:1:1: the file is empty; a YAML mapping is expected")
    try bench.write(
      Data((0..<3000).map { UInt8(truncatingIfNeeded: $0 &* 167 &+ 13) }), to: "noise.yaml")
    #expect(
      try refusal(ofScenario: "noise.yaml")
        == "noise.yaml:1:1: the file is not UTF-8 text; a YAML file is expected")
    #expect(try refusal(ofScenario: "none.yaml") == "none.yaml:1:1: no such file")
    #expect(try refusal(ofScenario: ".") == ".:1:1: it is a folder")
  }

  @Test("A bomb of aliases is refused before it goes off")
  func aliasBomb() throws {
    var lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    for level in 1...12 {
      let aliases = Array(repeating: "*a\(level - 1)", count: 10).joined(separator: ", ")
      lines.append("a\(level): &a\(level) [\(aliases)]")
    }
    try bench.write(lines.joined(separator: "\n"), to: "bomb.yaml")
    #expect(
      try refusal(ofScenario: "bomb.yaml")
        == "bomb.yaml:1:1: more than 8 aliases (*name); write the values out")
  }

  @Test("Ten megabytes of brackets are refused, and so are fewer of them")
  func brackets() throws {
    try bench.write(Data(repeating: UInt8(ascii: "["), count: 10_000_000), to: "brackets.yaml")
    #expect(
      try refusal(ofScenario: "brackets.yaml")
        == "brackets.yaml:1:1: the file is larger than 8 MiB, the limit for YAML")
    try bench.write(Data(repeating: UInt8(ascii: "["), count: 1_000_000), to: "fewer.yaml")
    #expect(
      try refusal(ofScenario: "fewer.yaml") == "fewer.yaml:1:1: more than 100000 values in one file"
    )
  }

  // MARK: - Traces

  @Test("A truncated trace is refused at the line that names it")
  func truncatedTrace() throws {
    let trace = try Data(contentsOf: URL(fileURLWithPath: Workbench.trace))
    try bench.write(trace.prefix(100_000), to: "cut.routing")
    try bench.scenario("workload: {routing: {trace: cut.routing}}")
    let sentence = try refusal(ofScenario: "scenario.yaml")
    #expect(
      sentence.wholeMatch(
        of:
          /scenario\.yaml:4:29: cut\.routing: the trace is truncated: \d+ bytes are needed, the file has 100000/
      ) != nil, "\(sentence)")
  }

  @Test("A file that is no trace is refused at the line that names it")
  func noTrace() throws {
    try bench.write("something else altogether\n", to: "notes.txt")
    try bench.scenario("workload: {routing: {trace: notes.txt}}")
    let sentence = try refusal(ofScenario: "scenario.yaml")
    #expect(sentence.hasPrefix("scenario.yaml:4:29: notes.txt: not a routing trace"), "\(sentence)")
  }

  @Test("A trace of another model is refused with both shapes")
  func otherModel() throws {
    try bench.scenario("model: mixtral-8x7b")
    #expect(
      try refusal(ofScenario: "scenario.yaml")
        == "\(Workbench.quickstart):29:20: \(Workbench.repository)/scenarios/../traces/"
        + "switchyard-docs-moe.routing: a trace of another model: it has 8 MoE layers of 64 experts, "
        + "top-6 (switchyard-docs-moe), but 32 MoE layers of 8 experts, top-2 (mixtral-8x7b) are "
        + "wanted")
  }

  // MARK: - Hardware

  /// A machine of a user's own; `{...}` parts are replaced by what a test puts wrong.
  private static let machine = """
    sources: {sheet: somebody's data sheet}
    links:
      my-link: {full-name: My link, kind: scale-up, source: sheet, bandwidth: 100 GB/s, latency: 1 us}
    devices:
      my-gpu:
        full-name: My GPU
        kind: gpu
        source: sheet
        compute: {bf16: 100 TFLOPS}
        memory: {kind: hbm3, capacity: 80 GB, bandwidth: 1 TB/s}
        scale-up: {link: my-link, bandwidth: 100 GB/s}
        host-link: {link: pcie4-x16, bandwidth: 31.5 GB/s}
        power: {thermal-design: 300 W, idle: 30 W}
        efficiency: {like: h100-sxm}
    nodes:
      my-box:
        full-name: My box
        source: sheet
        devices: {device: my-gpu, count: 8}
        scale-up: {kind: switched}
        collective-latency: 10 us
        host: {processor: xeon-8480, sockets: 2, memory: 1 TB}
    """

  private func refusal(ofMachineWith part: String, replacedBy other: String) throws -> String {
    try #require(Self.machine.contains(part))
    try bench.write(Self.machine.replacingOccurrences(of: part, with: other), to: "machine.yaml")
    try bench.scenario("catalogue: [machine.yaml]\ncluster: {nodes: 1 x my-box}")
    return try refusal(ofScenario: "scenario.yaml")
  }

  @Test("A machine of a user's own runs, and says which of its fractions are borrowed")
  func ownMachine() throws {
    try bench.write(Self.machine, to: "machine.yaml")
    try bench.scenario("catalogue: [machine.yaml]\ncluster: {nodes: 1 x my-box}")
    let text = try bench.output(of: "run", "scenario.yaml")
    #expect(text.contains("1 x my-box, 8 devices"))
    #expect(text.contains("uncalibrated: fractions of h100-sxm"))
  }

  @Test("A negative bandwidth is refused in the catalogue file that has it")
  func negativeBandwidth() throws {
    #expect(
      try refusal(ofMachineWith: "bandwidth: 1 TB/s", replacedBy: "bandwidth: -1 TB/s")
        == "machine.yaml:10:54: 'bandwidth' is '-1 TB/s'; it must be more than zero")
    #expect(
      try refusal(
        ofMachineWith: "bandwidth: 100 GB/s, latency", replacedBy: "bandwidth: -100 GB/s, latency"
      ) == "machine.yaml:3:75: 'bandwidth' is '-100 GB/s'; it must be more than zero")
  }

  @Test("A node and a cluster without devices are refused")
  func noDevices() throws {
    #expect(
      try refusal(ofMachineWith: "count: 8", replacedBy: "count: 0")
        == "machine.yaml:19:38: 'count' is 0; it must be from 1 to 4096")
    try bench.scenario("cluster: {nodes: 0 x dgx-h100}")
    #expect(
      try refusal(ofScenario: "scenario.yaml")
        == "scenario.yaml:4:18: a cluster of 0 nodes was asked for; it needs 1 to 100000")
    try bench.scenario("cluster: {nodes: 1 x dgx-h100, devices-per-node: 0}")
    #expect(
      try refusal(ofScenario: "scenario.yaml")
        == "scenario.yaml:4:50: 'devices-per-node' is 0; it must be 1 or more")
  }

  @Test("A deployment that does not fit its memory is refused with the arithmetic")
  func memoryTooSmall() throws {
    try bench.scenario("workload: {context: 2000000 tokens}")
    // Per sequence: 2,000,000 tokens x 8 layers x (512 + 64) x 2 B = 18.43 GB; 128 of them 2.359 TB.
    // Weights take 2.445 GB of the 80 GB: room for 4 sequences.
    #expect(
      try refusal(ofScenario: "scenario.yaml")
        == "\(Workbench.quickstart):30:10: device 0 would need 2.362 TB of its 80 GB of memory: "
        + "experts 1.107 GB (64 copies x 17.3 MB) + attention 220.2 MB (1 share of all layers x "
        + "220.2 MB) + shared experts 276.8 MB (8 layers x 34.6 MB) + gates 2.097 MB (8 layers x "
        + "262.1 kB) + embedding 419.4 MB (1 table x 419.4 MB) + head 419.4 MB (1 matrix x 419.4 MB) "
        + "+ KV cache 2.359 TB (128 sequences of 2000000 tokens x 18.43 GB); "
        + "there is room for 4 sequences")
  }

  // MARK: - What the command line says

  @Test("--set is held to what a file is held to")
  func settings() throws {
    let file = Workbench.quickstart
    #expect(
      try refusal(ofScenario: file, "--set", "workload.batc=4")
        == "--set workload.batc=4:1:1: unknown key 'batc'; did you mean 'batch'?")
    #expect(
      try refusal(ofScenario: file, "--set", "workload.batch=0")
        == "--set workload.batch=0:1:1: 'batch' is 0; it must be from 1 to 1000000")
    #expect(
      try refusal(ofScenario: file, "--set", "workload.batch")
        == "--set workload.batch:1:1: a setting has no '='; write '--set workload.batch=64'")
    #expect(
      try refusal(ofScenario: file, "--set", "workload.batch=1", "--set", "workload.batch=2")
        == "--set workload.batch=1:1:1: 'workload.batch' has no effect: "
        + "'--set workload.batch=2' sets it again")
    #expect(
      try refusal(ofScenario: file, "--set", "seed=1", "--seed", "2")
        == "--set seed=1:1:1: 'seed' is set by --seed as well; keep one")
  }

  @Test("Everything that is wrong is told at once, each with its place")
  func allAtOnce() throws {
    try bench.scenario("cluster: {nodes: 1 x dgx-h1000}\nworkload: {batch: -1, contxt: 5 tokens}")
    #expect(
      try refusal(ofScenario: "scenario.yaml").split(separator: "\n").map(String.init) == [
        "scenario.yaml:4:18: there is no node 'dgx-h1000' in the catalogue; did you mean 'dgx-h100'?",
        "scenario.yaml:5:19: 'batch' is -1; it must be from 1 to 1000000",
        "scenario.yaml:5:23: unknown key 'contxt'; did you mean 'context'?",
      ])
  }

  @Test("Options that do not exist, or would have no effect, are refused")
  func options() throws {
    let file = Workbench.quickstart
    #expect(
      try bench.usageError("run", file, "--treads", "3")
        == "Error: Unknown option '--treads'. Did you mean '--threads'?")
    #expect(
      try bench.usageError("run", file, "--threads", "0")
        == "Error: --threads is 0; it must be from 1 to 1024")
    #expect(
      try bench.usageError("run", file, "--json", "--layers")
        == "Error: --layers has no effect with --json, which lists every layer")
    #expect(
      try bench.usageError("run", file, "--out", "a", "--timeline", "./a")
        == "Error: --out and --timeline name the same file; give each its own")
    #expect(try bench.usageError("run") == "Error: Missing expected argument '<scenario>'")
    #expect(
      try bench.usageError("run", file, "more") == "Error: Unexpected argument 'more'")
    #expect(try bench.usageError("walk") == "Error: Unexpected argument 'walk'")
    #expect(
      try bench.usageError("trace", "stats", Workbench.trace, "--devices", "0")
        == "Error: --devices is 0; it must be from 1 to 65535")
    #expect(try bench.contents == [])
  }
}

@Suite("Outputs that cannot be written")
struct BadOutputTests {
  let bench: Workbench

  init() throws {
    bench = try Workbench()
    try bench.scenario()
  }

  @Test("A directory that does not exist is refused for every output")
  func noDirectory() throws {
    for option in ["--out", "--csv", "--timeline"] {
      #expect(
        try bench.refusal("run", "scenario.yaml", option, "none/x")
          == "'none/x' cannot be written: No such file or directory")
    }
    #expect(try bench.contents == ["scenario.yaml"])
  }

  @Test("A directory is no file, and a file no directory")
  func directories() throws {
    for option in ["--out", "--timeline"] {
      #expect(
        try bench.refusal("run", "scenario.yaml", option, ".")
          == "'.' is a directory; give the name of a file")
    }
    #expect(
      try bench.refusal("run", "scenario.yaml", "--csv", "scenario.yaml")
        == "'scenario.yaml' is not a directory")
  }

  @Test("A results file that is not SQLite is refused and left as it was")
  func notSQLite() throws {
    let text = "what somebody wrote\n"
    try bench.write(text, to: "notes.txt")
    #expect(
      try bench.refusal("run", "scenario.yaml", "--out", "notes.txt", "--csv", "csv")
        == "'notes.txt' is not an SQLite file; it was left as it is, give another name for the "
        + "results")
    #expect(try bench.text(bench.file("notes.txt")) == text)
    #expect(try bench.contents == ["notes.txt", "scenario.yaml"])
  }

  @Test("A timeline does not replace a results file")
  func timelineOverResults() throws {
    try bench.output(of: "run", "scenario.yaml", "--out", "results.sqlite")
    let before = try bench.bytes("results.sqlite")
    #expect(
      try bench.refusal("run", "scenario.yaml", "--timeline", "results.sqlite")
        == "'results.sqlite' cannot be written: it is another kind of file, which would be lost; "
        + "give another name")
    #expect(try bench.bytes("results.sqlite") == before)
    let scenario = try bench.bytes("scenario.yaml")
    for option in ["--timeline", "--heat-map"] {
      #expect(
        try bench.refusal("run", "scenario.yaml", option, "scenario.yaml")
          .contains("it is another kind of file, which would be lost"))
    }
    #expect(try bench.bytes("scenario.yaml") == scenario)
  }

  @Test("Where one output cannot be written, none is")
  func allOrNothing() throws {
    try bench.output(of: "run", "scenario.yaml", "--out", "results.sqlite")
    let before = try bench.bytes("results.sqlite")
    for bad in [["--timeline", "none/x"], ["--csv", "none/x"]] {
      _ = try bench.refusal(
        of: ["run", "scenario.yaml", "--out", "results.sqlite"] + bad)
    }
    _ = try bench.refusal(
      "run", "scenario.yaml", "--csv", "csv", "--timeline", "none/x")
    #expect(try bench.bytes("results.sqlite") == before)
    #expect(try bench.contents == ["results.sqlite", "scenario.yaml"])
  }

  @Test(
    "A full disk is told, and the results are as before",
    .enabled(if: hasFullDevice, "/dev/full is not the device that is always full"))
  func diskFull() throws {
    try bench.output(of: "run", "scenario.yaml", "--out", "results.sqlite")
    let before = try bench.bytes("results.sqlite")
    #expect(
      try bench.refusal(
        "run", "scenario.yaml", "--out", "results.sqlite", "--timeline", "/dev/full")
        == "'/dev/full' cannot be written: no space left on the device; what was there before is "
        + "unchanged")
    #expect(try bench.bytes("results.sqlite") == before)
    #expect(
      try bench.refusal("run", "scenario.yaml", "--out", "/dev/full")
        == "'/dev/full' cannot be written: it is not a regular file")
    #expect(
      try bench.refusal(
        "network", "dgx-h100", "--collective", "send", "--bytes", "1MB", "--heat-map", "/dev/full"
      )
      .contains("no space left"))
    for arguments in [
      ["run", "scenario.yaml"], ["check", "scenario.yaml"], ["catalogue"],
      ["trace", "info", Workbench.trace],
    ] {
      let outcome = try bench.run(arguments, output: "/dev/full")
      #expect(outcome.exitCode == 2)
      #expect(
        outcome.complaints
          == "switchyard: standard output cannot be written: No space left on device")
    }
  }
}
