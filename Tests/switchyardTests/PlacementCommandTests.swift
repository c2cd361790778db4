import Foundation
import GRDB
import Testing

/// What these tests read of `place --json`.
private struct Placed: Decodable {
  struct Measures: Decodable {
    var costSeconds: Double
    var meanImbalance: Double
    var localShare: Double
    var nodeShare: Double
    var crossShare: Double
  }
  struct Judgement: Decodable {
    var profiled: Measures
    var unseen: Measures?
  }
  struct Bound: Decodable {
    var seconds: Double
    var gap: Double
  }
  var current: Judgement
  var found: Judgement
  struct Excess: Decodable {
    var isOfUnseen: Bool
    var cost: Double
    var meanImbalance: Double
  }
  var eplb: Judgement?
  var overEPLB: Excess?
  var bound: Bound?
  var isOptimal: Bool
  var copies: Int
  var currentCopies: Int
  var profiledRequests: Int
  var windows: Int
  var trials: Int
  var searches: Int
  var movedCopies: Int
  var notes: [String]

  init(_ text: String) throws {
    self = try JSONDecoder().decode(Placed.self, from: Data(text.utf8))
  }
}

private struct Compared: Decodable, Equatable {
  var placement: String
  var tokensPerSecond: Double
  var believedSeconds: Double
}

@Suite("switchyard place and compare")
struct PlacementCommandTests {
  let bench: Workbench

  init() throws {
    bench = try Workbench()
    try bench.scenario()
  }

  private func place(_ arguments: String...) throws -> Placed { try place(arguments) }

  private func place(_ arguments: [String]) throws -> Placed {
    try Placed(
      bench.output(of: ["place", "scenario.yaml", "--json"] + arguments))
  }

  /// Eight experts in each of 32 layers on four devices, in place of the quickstart: quick to search.
  private func smallScenario() throws {
    try bench.write(
      """
      switchyard: 1
      name: Mixtral-8x7B on four
      model: mixtral-8x7b
      cluster: {nodes: 1 x dgx-h100, devices-per-node: 4}
      precision: bf16
      workload: {routing: {drawn: uniform, phase: decode}, batch: 16, context: 512 tokens}
      measure: {warmup: 1 iterations, iterations: 2}
      """, to: "scenario.yaml")
  }

  /// The layers of a placement file.
  private func rows(_ file: String) throws -> [Substring] {
    try bench.text(bench.file(file)).split(separator: "\n").filter { $0.hasPrefix("  - [") }
  }

  @Test("A search beats where experts live and EPLB, and nothing beats the bound")
  func search() throws {
    let placed = try place("--trials", "2000")
    let eplb = try #require(placed.eplb)
    let bound = try #require(placed.bound)
    #expect(placed.found.profiled.costSeconds < placed.current.profiled.costSeconds)
    #expect(placed.found.profiled.costSeconds < eplb.profiled.costSeconds)
    #expect(bound.seconds < placed.found.profiled.costSeconds)
    #expect(
      abs(placed.found.profiled.costSeconds / bound.seconds - 1 - bound.gap) < 1e-12)
    let shares = placed.found.profiled
    #expect(abs(shares.localShare + shares.nodeShare + shares.crossShare - 1) < 1e-12)
    #expect(placed.movedCopies > 0)
    #expect(placed.found.unseen != nil)
  }

  @Test("A placement that EPLB would have beaten on requests that neither saw is said to be")
  func worseThanEPLB() throws {
    let drawn = try place("--method", "random", "--no-bound")
    let (excess, eplb) = try (#require(drawn.overEPLB), #require(drawn.eplb?.unseen))
    let found = try #require(drawn.found.unseen)
    #expect(excess.isOfUnseen)
    #expect(excess.cost == found.costSeconds / eplb.costSeconds - 1)
    #expect(excess.meanImbalance == found.meanImbalance / eplb.meanImbalance - 1)
    #expect(excess.cost > 0 && excess.meanImbalance > 0.02)
    let note = try #require(drawn.notes.first { $0.contains("EPLB") })
    #expect(
      note.hasPrefix(
        "on requests that were not profiled this is worse than EPLB's placement by the same profile, "
          + "by "))
    #expect(
      note.hasSuffix(" % in load balance (work, most / mean)") && note.contains("in cost and by"))
    // By the same copies; where all is profiled there are no others.
    let copies = try place(
      "--method", "round-robin", "--replicas", "32", "--profile-split", "1", "--no-bound")
    #expect(copies.overEPLB?.isOfUnseen == false)
    #expect(copies.notes.contains { $0.hasPrefix("this is worse than EPLB's placement") })
    // One that is better is not complained of, and EPLB not compared with itself.
    let searched = try place("--trials", "2000", "--no-bound")
    #expect(try #require(searched.overEPLB).cost < 0)
    #expect(!searched.notes.contains { $0.contains("EPLB's") && $0.contains("in cost") })
    #expect(try place("--method", "eplb", "--no-bound").overEPLB == nil)
  }

  @Test("The same number of trials is the same placement, whatever the threads")
  func threads() throws {
    var files: [Data] = []
    for threads in ["1", "3"] {
      try bench.output(
        of: "place", "scenario.yaml", "--trials", "2000", "--chains", "3", "--no-bound",
        "--threads", threads, "--out", "\(threads).yaml")
      files.append(try bench.bytes("\(threads).yaml"))
    }
    #expect(files[0] == files[1])
    // What it wrote runs, and is what is then there.
    try bench.output(
      of: "run", "scenario.yaml", "--set", "policies.placement=file:1.yaml")
    let again = try bench.output(
      of: "place", "scenario.yaml", "--trials", "0", "--no-bound", "--profile-split", "1", "--set",
      "policies.placement=file:1.yaml")
    #expect(again.contains("no trials: this is the best of quick starts"))
  }

  @Test("Where experts live now stays there to compare with where copies are asked for")
  func currentWithoutCopies() throws {
    let plain = try place("--method", "eplb", "--no-bound")
    let copied = try place("--method", "eplb", "--no-bound", "--replicas", "32")
    #expect(copied.currentCopies == 64 && copied.copies == 96)
    let (now, then) = (plain.current.profiled, copied.current.profiled)
    #expect(then.costSeconds == now.costSeconds && then.meanImbalance == now.meanImbalance)
    #expect(copied.current.unseen != nil)
    // Each of 8 layers gets 32 copies that are nowhere now.
    #expect(copied.movedCopies >= 8 * 32)
    // And the other way: copies that are there now cost their weights where none are asked for.
    let own =
      ["--method", "eplb", "--no-bound", "--set"] + [
        "policies.placement={kind: round-robin, redundant: 64}"
      ]
    let (kept, dropped) = try (place(own), place(own + ["--replicas", "0"]))
    #expect(dropped.copies == 64 && dropped.currentCopies == 128)
    #expect(dropped.current.profiled.costSeconds == kept.current.profiled.costSeconds)
    #expect(dropped.current.unseen?.costSeconds == kept.current.unseen?.costSeconds)
    let text = try bench.output(
      of: "place", "scenario.yaml", "--method", "eplb", "--no-bound", "--replicas", "32")
    #expect(
      text.contains("  unseen: now  ") && text.contains("now there is one copy of each expert"))
  }

  @Test("A share is a number or in per cent")
  func profileSplit() throws {
    let quarter = try place("--method", "eplb", "--no-bound", "--profile-split", "0.25")
    for written in ["25%", "25 %", "25.0%"] {
      let placed = try place("--method", "eplb", "--no-bound", "--profile-split", written)
      #expect(placed.profiledRequests == quarter.profiledRequests)
      #expect(placed.found.profiled.costSeconds == quarter.found.profiled.costSeconds)
    }
    for wrong in ["0", "0%", "1.5", "101%", "half", "%", "-50%", "nan"] {
      #expect(
        try bench.usageError("place", "scenario.yaml", "--profile-split=\(wrong)").contains(
          "--profile-split is '\(wrong)'; write a share above 0, up to 1, like 0.5 or 50%"))
    }
  }

  @Test("Exact placement ends with the time, and says so; without one it is proven")
  func exactInTime() throws {
    try smallScenario()
    func placed(_ time: String...) throws -> Placed {
      try Placed(
        bench.output(of: ["place", "scenario.yaml", "--method", "exact", "--json"] + time))
    }
    let proven = try placed()
    #expect(proven.isOptimal && proven.bound?.gap == 0)
    #expect(
      try placed("--time", "1000s").found.profiled.costSeconds == proven.found.profiled.costSeconds)
    let stopped = try placed("--time", "0s")
    #expect(!stopped.isOptimal)
    let bound = try #require(stopped.bound)
    let least = proven.found.profiled.costSeconds
    #expect(bound.seconds <= least * (1 + 1e-12) && stopped.found.profiled.costSeconds >= least)
    let note =
      "the time was over after 0 of 32 layers: this is the best found, not proven to be the best"
    #expect(stopped.notes.contains { $0.hasPrefix(note) })
    #expect(
      try bench.usageError("place", "scenario.yaml", "--method", "exact", "--trials", "5")
        .contains("--trials has no effect on method exact"))
  }

  @Test("Only experts of the layers that may move do")
  func movedLayers() throws {
    let all = try place("--trials", "1000", "--no-bound")
    let one = try place("--trials", "1000", "--no-bound", "--move-layers", "2", "--out", "one.yaml")
    #expect(one.movedCopies > 0 && one.movedCopies < all.movedCopies)
    try bench.output(
      of: "place", "scenario.yaml", "--method", "contiguous", "--no-bound", "--out", "now.yaml")
    let (moved, now) = try (rows("one.yaml"), rows("now.yaml"))
    #expect(moved.count == 8)
    #expect(moved.indices.filter { moved[$0] != now[$0] } == [2])
    #expect(one.found.profiled.costSeconds < one.current.profiled.costSeconds)
    #expect(all.found.profiled.costSeconds < one.found.profiled.costSeconds)
  }

  /// The solver says when it begins, and that it has outlived the program if it gets so far. The signal is
  /// the one that lets nobody do anything any more; others a test's child may not even get.
  @Test("A solver is gone when the program is, were it killed")
  func solverDoesNotOutlive() throws {
    let words = bench.file(".words")
    try #require(mkfifo(words, 0o600) == 0)
    let script = """
      #!/bin/sh
      exec 9>'\(words)'
      sleep 120 9>&- &
      printf '%8d' $! >&9
      wait
      echo outlived the program >&9
      """
    // Written by another process: one that a test beside this forks would have it open, and nobody could
    // run it.
    try bench.write(script, to: "script")
    let copy = try Process.run(
      URL(fileURLWithPath: "/bin/sh"),
      arguments: [
        "-c", "cat \"$0/script\" > \"$0/cbc\" && chmod +x \"$0/cbc\"", bench.folder,
      ])
    copy.waitUntilExit()
    // The program has the fifo open as well, so that nothing waits here for words that never come.
    let reading = open(words, O_RDONLY | O_NONBLOCK | O_CLOEXEC)
    let writing = open(words, O_WRONLY | O_CLOEXEC)
    try #require(reading >= 0 && writing >= 0 && fcntl(reading, F_SETFL, 0) == 0)
    let heard = FileHandle(fileDescriptor: reading, closeOnDealloc: true)
    let process = Process()
    process.executableURL = URL(fileURLWithPath: try #require(Workbench.program))
    process.arguments = [
      "place", bench.file("scenario.yaml"), "--method", "moetuner", "--traffic", "transition",
      "--objective", "bottleneck", "--time", "1000s", "--no-bound",
    ]
    var environment = ProcessInfo.processInfo.environment
    environment["PATH"] = bench.folder + ":/usr/bin:/bin"
    environment["TMPDIR"] = bench.folder
    process.environment = environment
    process.standardInput = FileHandle.nullDevice
    process.standardOutput = FileHandle.nullDevice
    process.standardError = FileHandle(fileDescriptor: writing)
    try process.run()
    close(writing)
    // Waits for the solver, and then for the end of both.
    let number = String(decoding: heard.readData(ofLength: 8), as: UTF8.self)
    let sleeper = try #require(
      Int32(number.trimmingCharacters(in: .whitespaces)), "\(number)")
    kill(process.processIdentifier, SIGKILL)
    #expect(heard.readDataToEndOfFile() == Data())
    // It has what tells the test's own process of the end of its child.
    kill(sleeper, SIGKILL)
    process.waitUntilExit()
    #expect(process.terminationReason == .uncaughtSignal)
  }

  @Test("MoETuner's second program takes as long whatever its placement is judged by")
  func moetunerPairs() throws {
    func note(_ objective: String) throws -> String? {
      // The first program's solver does not get far; the second needs none on one node.
      try place(
        "--method", "moetuner", "--traffic", "transition", "--objective", objective, "--time",
        "50ms",
        "--no-bound"
      ).notes.first { $0.contains("second program") }
    }
    let sum = try #require(try note("sum"))
    #expect(sum.contains("optimal by matching"))
    #expect(try sum == note("bottleneck"))
  }

  @Test("The nearest copies are fewer bytes, as believed and as run, and their bound is below them")
  func nearestCopies() throws {
    let copies = "policies.placement={kind: round-robin, redundant: 64}"
    let even = try place("--method", "eplb", "--set", copies, "--no-bound")
    let nearest = try place("--method", "eplb", "--replica-choice", "nearest", "--set", copies)
    let bound = try #require(nearest.bound)
    #expect(nearest.found.profiled.costSeconds < even.found.profiled.costSeconds)
    #expect(bound.seconds <= nearest.found.profiled.costSeconds)
    #expect(
      nearest.notes.contains(
        "this holds where tokens take the nearest copy: run it with 'placement: {kind: file, path: FILE, "
          + "replica-choice: nearest}'"))
    func rows(_ choice: String, copies: String) throws -> [Compared] {
      try JSONDecoder().decode(
        [Compared].self,
        from: Data(
          bench.output(
            of: "compare", "scenario.yaml", "--placements", "eplb", "--replicas", copies,
            "--replica-choice", choice, "--json"
          ).utf8))
    }
    // With as many as experts EPLB puts both of each on neighbours, of which ranks take the nearest in turn.
    let (first, second) = (
      try rows("even", copies: "32")[0], try rows("nearest", copies: "32")[0]
    )
    #expect(second.tokensPerSecond != first.tokensPerSecond)
    let believed = try rows("nearest", copies: "64")[0].believedSeconds
    #expect(believed == nearest.found.profiled.costSeconds)
    // The scenario's own choice is what is placed by where nothing else is asked.
    let own = try place(
      "--method", "eplb", "--no-bound", "--set",
      "policies.placement={kind: round-robin, redundant: 64, replica-choice: nearest}")
    #expect(own.found.profiled.costSeconds == nearest.found.profiled.costSeconds)
    #expect(
      try bench.usageError(
        "compare", "scenario.yaml", "--placements", "eplb", "--replicas", "64", "--replica-choice",
        "least-loaded"
      ).contains("is not simulated"))
  }

  @Test("A comparison simulates what a run does, and more copies balance better")
  func compare() throws {
    let rows = try JSONDecoder().decode(
      [Compared].self,
      from: Data(
        bench.output(
          of: "compare", "scenario.yaml", "--placements", "contiguous,eplb", "--profile-split", "1",
          "--out", "both.sqlite", "--json"
        ).utf8))
    #expect(rows.map(\.placement) == ["contiguous", "eplb"])
    #expect(rows[0].tokensPerSecond == (try tokensPerSecond()))
    #expect(rows[1].believedSeconds < rows[0].believedSeconds)
    #expect(rows[1].tokensPerSecond > rows[0].tokensPerSecond)
    #expect(try bench.contents == ["both.sqlite", "scenario.yaml"])
  }

  @Test("What the scenario pins is kept by who searches, and who would not keep it is refused")
  func pinnedExperts() throws {
    try smallScenario()
    try bench.output(
      of: "place", "scenario.yaml", "--method", "eplb", "--no-bound", "--out", "eplb.yaml")
    let pinned =
      "policies.placement={kind: search, trials: 300, pinned: [{layer: 2, expert: 5, device: 3}], "
      + "forbidden: [{layer: 3, expert: 0, device: 0}]}"
    func hosts(_ layer: Int, _ expert: Int, _ file: String) throws -> String {
      // `  - [0, [2, 5], 3]`
      let groups = try rows(file)[layer].dropFirst("  - [".count)
      return String(groups.matches(of: /\[[^\]]*\]|[0-9]+/)[expert].output)
    }
    try bench.output(
      of: "place", "scenario.yaml", "--set", pinned, "--no-bound", "--out", "pinned.yaml")
    #expect(try hosts(2, 5, "pinned.yaml") == "3" && hosts(3, 0, "pinned.yaml") != "0")
    let copied = try place(
      "--set", pinned, "--replicas", "8", "--no-bound", "--out", "copied.yaml")
    #expect(
      try hosts(2, 5, "copied.yaml").contains("3") && !hosts(3, 0, "copied.yaml").contains("0"))
    // EPLB knows nothing of it, so that there is nothing to compare with.
    let group = try hosts(2, 5, "eplb.yaml")
    try #require(group != "3")
    #expect(copied.eplb == nil && copied.overEPLB == nil)
    let misplaced = "expert 5 of layer 2 is not on group 3, where it is pinned"
    for method in ["eplb", "contiguous"] {
      #expect(
        try bench.refusal("place", "scenario.yaml", "--set", pinned, "--method", method)
          == "\(method) does not place experts as they must be: \(misplaced); use search")
    }
    func compared(_ placements: String) throws -> String {
      try bench.refusal(
        "compare", "scenario.yaml", "--set", pinned, "--placements", placements)
    }
    #expect(try compared("eplb").hasPrefix("placement 'eplb': eplb does not place experts as"))
    #expect(try compared("file:eplb.yaml") == "eplb.yaml: \(misplaced)")
    try bench.output(
      of: "compare", "scenario.yaml", "--set", pinned, "--placements", "search,file:pinned.yaml")
    try bench.output(of: "run", "scenario.yaml", "--set", pinned)
  }

  @Test("What was believed of each placement is stored with its run")
  func beliefs() throws {
    try smallScenario()
    let placed = try place("--trials", "300")
    try bench.output(
      of: "compare", "scenario.yaml", "--placements", "contiguous,search", "--trials", "300",
      "--out",
      "both.sqlite")
    var rows = try beliefRows()
    #expect(rows.map { $0["run"] } == [1, 2] && rows.map { $0["copies"] } == [8, 8])
    #expect(rows.map { $0["placement"] } == ["contiguous", "search"])
    #expect(rows.map { $0["traffic"] } == ["home", "home"])
    #expect(rows.map { $0["objective"] } == ["sum", "sum"])
    let (found, bound) = try (placed.found, #require(placed.bound))
    #expect(rows[0]["cost_s"] == placed.current.profiled.costSeconds)
    #expect(rows[1]["cost_s"] == found.profiled.costSeconds)
    #expect(rows[1]["unseen_cost_s"] == found.unseen?.costSeconds)
    #expect(rows[1]["imbalance"] == found.profiled.meanImbalance)
    #expect(rows[1]["gap"] == bound.gap && rows.map { $0["is_optimal"] } == [false, false])
    for row in rows {
      #expect(row["bound_s"] == bound.seconds && row["bound_covers"] == "everything")
      let parts: Double = row["work_s"] + row["in_node_s"] + row["across_nodes_s"]
      #expect(abs(parts - row["cost_s"]) < 1e-15)
    }
    // One that was not asked to be bounded and has nothing left to be judged by.
    try bench.output(
      of: "compare", "scenario.yaml", "--placements", "eplb", "--profile-split", "1", "--no-bound",
      "--out", "both.sqlite")
    rows = try beliefRows()
    #expect(rows.count == 3 && rows[2]["unseen_requests"] == 0)
    for column in ["unseen_cost_s", "unseen_imbalance", "bound_s", "gap", "is_optimal"] {
      #expect(rows[2][column] == DatabaseValue.null)
    }
    #expect(
      try bench.usageError("compare", "scenario.yaml", "--placements", "eplb", "--no-bound")
        .contains("--no-bound has no effect without --out"))
  }

  private func beliefRows() throws -> [Row] {
    var configuration = Configuration()
    configuration.readonly = true
    return try DatabaseQueue(path: bench.file("both.sqlite"), configuration: configuration)
      .read { try Row.fetchAll($0, sql: "SELECT * FROM placements ORDER BY run") }
  }

  @Test("What the scenario says of its own placement holds in a comparison, or is refused")
  func ownOptions() throws {
    try smallScenario()
    func rows(_ options: String...) throws -> [Compared] {
      try JSONDecoder().decode(
        [Compared].self,
        from: Data(bench.output(of: ["compare", "scenario.yaml", "--json"] + options).utf8))
    }
    let eplb = "policies.placement={kind: eplb, profile: 25 %}"
    let own = try rows("--placements", "contiguous,eplb", "--set", eplb)
    #expect(
      try own == rows("--placements", "contiguous,eplb", "--profile-split", "25%"))
    // A quarter of the whole trace, not of what the scenario's own run replays: what a run takes.
    #expect(own[1].tokensPerSecond == (try tokensPerSecond("--set", eplb)))
    #expect(
      try rows("--placements", "eplb", "--set", eplb, "--profile-split", "50%")
        == rows("--placements", "eplb"))
    let search = "policies.placement={kind: search, profile: 50 %, windows: 2, trials: 300}"
    #expect(
      try rows("--placements", "search", "--set", search)
        == rows(
          "--placements", "search", "--set", search, "--windows", "2", "--trials", "300"))
    let placed = try place("--set", search, "--no-bound")
    #expect(placed.windows == 2 && placed.searches == 1)
    let every = "policies.placement={kind: eplb, every: 2 iterations}"
    #expect(
      try bench.refusal("compare", "scenario.yaml", "--placements", "eplb", "--set", every)
        == "--set \(every):1:14: 'every' has no effect in a comparison: each placement is chosen once, "
        + "and would not be chosen anew every 2 iterations; leave it out, as with --set "
        + "policies.placement=eplb")
  }

  private func tokensPerSecond(_ options: String...) throws -> Double {
    struct Run: Decodable { var tokensPerSecond: Double }
    let decoder = JSONDecoder()
    decoder.keyDecodingStrategy = .convertFromSnakeCase
    let text = try bench.output(of: ["run", "scenario.yaml", "--json"] + options)
    return try decoder.decode(Run.self, from: Data(text.utf8)).tokensPerSecond
  }

  @Test("A file's copies count in a comparison whether they are asked for or not")
  func comparedCopies() throws {
    let placed = try bench.output(
      of: "place", "scenario.yaml", "--method", "eplb", "--replicas", "16", "--no-bound", "--out",
      "copies.yaml", "--json")
    func believed(_ options: String...) throws -> Double {
      let text = try bench.output(
        of: ["compare", "scenario.yaml", "--placements", "file:copies.yaml", "--json"] + options)
      let rows = try JSONDecoder().decode([Compared].self, from: Data(text.utf8))
      return try #require(rows.first).believedSeconds
    }
    let alone = try believed()
    #expect(try alone == believed("--replicas", "16"))
    #expect(placed.contains("\(alone)"))
  }

  @Test("MPS of MoETuner's first program has a row for every expert of every layer")
  func export() throws {
    try bench.output(
      of: "place", "scenario.yaml", "--method", "eplb", "--no-bound", "--export", "first.mps",
      "--export-form", "balance")
    let text = try bench.text(bench.file("first.mps"))
    #expect(text.hasPrefix("* one unit of cost is "))
    #expect(text.hasSuffix("ENDATA\n"))
    let lines = text.split(separator: "\n")
    #expect(lines.count { $0.hasPrefix(" E one") } == 8 * 64)
    #expect(lines.count { $0.hasPrefix(" L most") } == 8 * 8)
  }

  @Test("Copies that fit no device wherever they are end nothing that was begun")
  func memory() throws {
    // 128 sequences of 64000 tokens x 9216 B take 75.5 GB and weights 2.4 GB of 80 GB; 448 copies more in
    // each of 8 layers are 448 more of 17.3 MB on each of 8 devices: 7.7 GB. A method that is asked
    // before says that it knows no redundant experts.
    try bench.scenario("workload: {context: 64000 tokens}")
    for method in ["search", "moetuner"] {
      let sentence = try bench.refusal(
        of: ["place", "scenario.yaml", "--method", method, "--replicas", "448"]
          + (method == "search" ? ["--trials", "0"] : []))
      #expect(sentence.hasPrefix("device 0 would need 85.69 GB of its 80 GB of memory: experts 8"))
      #expect(sentence.contains("(512 copies x 17.3 MB)"))
    }
    #expect(
      try bench.refusal(
        "compare", "scenario.yaml", "--placements", "moetuner", "--replicas", "448"
      ).hasPrefix("placement 'moetuner': device 0 would need 85.69 GB"))
    #expect(
      try bench.refusal(
        "run", "scenario.yaml", "--set", "policies.placement={kind: eplb, redundant: 448}"
      ).contains("device 0 would need 85.69 GB"))
    #expect(try bench.contents == ["scenario.yaml"])
  }

  @Test("What cannot be placed is refused in a sentence")
  func refusals() throws {
    func refusal(_ arguments: String...) throws -> String {
      try bench.refusal(of: ["place", "scenario.yaml"] + arguments)
    }
    #expect(
      try refusal("--method", "exact").contains("ways to place its experts"))
    #expect(try refusal("--replicas", "449", "--method", "eplb").contains("0 to 448 are possible"))
    #expect(try refusal("--move-layers", "8").contains("from 0 to 7"))
    #expect(try refusal("--method", "moetuner", "--replicas", "8").contains("no redundant experts"))
    #expect(
      try refusal("--method", "eplb", "--profile-split", "0.0001")
        .contains("into all and none"))
    #expect(
      try bench.usageError("place", "scenario.yaml", "--method", "eplb", "--trials", "5")
        .contains("--trials has no effect on method eplb"))
    #expect(
      try bench.usageError("place", "scenario.yaml", "--time", "10").contains("write it like 10s"))
    #expect(
      try bench.refusal("compare", "scenario.yaml", "--placements", "best")
        .contains("--placements has 'best'; it is one of search, exact"))
    #expect(
      try bench.refusal("compare", "scenario.yaml", "--placements", "eplb", "--trials", "5")
        .contains("no placement is by search"))
    #expect(
      try bench.refusal(
        "place", "scenario.yaml", "--method", "exact", "--time", "5s", "--chains", "4"
      ).contains("--chains has no effect on method exact"))
    #expect(try bench.contents == ["scenario.yaml"])
  }
}
