import Foundation
import GRDB
import Testing

@Suite("switchyard compare")
struct CompareCommandTests {
  let bench: Workbench

  init() throws {
    bench = try Workbench()
    try bench.scenario()
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

  @Test("What was believed of each placement is stored with its run")
  func beliefs() throws {
    try bench.smallPlacementScenario()
    let placed = try bench.place("--trials", "300")
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
    try bench.smallPlacementScenario()
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
    let placed = try bench.place("--set", search, "--no-bound")
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
    #expect(placed.contains("\(alone)"))
    // They stay its own beside others that have more, or none.
    for copies in ["32", "0"] {
      let text = try bench.output(
        of: "compare", "scenario.yaml", "--placements", "eplb,file:copies.yaml", "--replicas",
        copies, "--json")
      let rows = try JSONDecoder().decode([Compared].self, from: Data(text.utf8))
      #expect(rows[1].believedSeconds == alone)
    }
  }

  @Test("What says nothing of files is refused where there is nothing else")
  func effectlessOptions() throws {
    try bench.smallPlacementScenario()
    try bench.output(
      of: "place", "scenario.yaml", "--method", "eplb", "--no-bound", "--out", "mine.yaml")
    for (option, value, what) in [
      ("--replicas", "4", "no placement is by a method"),
      ("--replica-spread", "nodes", "no placement is by a method"),
      (
        "--most-experts-per-device", "4",
        "no placement is by a method that gives devices unequal numbers of experts"
      ),
      (
        "--replica-choice", "nearest",
        "no expert of the placement files has copies to choose among"
      ),
    ] {
      #expect(
        try bench.refusal(
          "compare", "scenario.yaml", "--placements", "file:mine.yaml", option, value)
          == "\(option) has no effect: \(what)")
    }
    #expect(
      try bench.usageError(
        "compare", "scenario.yaml", "--placements", "search", "--chains", "2", "--trials", "0"
      ).contains("--chains has no effect without trials"))
  }

  @Test("Devices hold unequal numbers of experts where that is asked for, and bounds hold for that")
  func unequalNumbers() throws {
    try bench.smallPlacementScenario()
    func compare(_ arguments: [String]) throws {
      try bench.output(
        of: ["compare", "scenario.yaml", "--trials", "3000", "--out", "both.sqlite"] + arguments)
    }
    let most = ["--most-experts-per-device", "4"]
    try compare(["--placements", "contiguous,search"] + most)
    try bench.output(
      of: ["place", "scenario.yaml", "--method", "random", "--no-bound", "--out", "four.yaml"]
        + most
    )
    try compare(["--placements", "search,file:four.yaml"])
    let rows = try beliefRows()
    let costs = rows.map { row -> Double in row["cost_s"] }
    let bounds = rows.map { row -> Double in row["bound_s"] }
    // A file that fills four slots is held to the bound of four, as is who leaves some empty.
    #expect(bounds[3] == bounds[1] && bounds[0] == bounds[1])
    #expect(bounds[1] < bounds[2] && costs[1] <= costs[2])
    #expect(zip(bounds, costs).allSatisfy { $0 <= $1 })
    let few = "four.yaml: group "
    let refusal = try bench.refusal(
      "compare", "scenario.yaml", "--placements", "eplb,file:four.yaml",
      "--most-experts-per-device", "2")
    #expect(refusal.hasPrefix(few) && refusal.hasSuffix("more than its 2 slots"))
  }
}
