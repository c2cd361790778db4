import Foundation
import Testing

@Suite("switchyard place, of copies, pins and limits")
struct PlacementCopiesTests {
  let bench: Workbench

  init() throws {
    bench = try Workbench()
    try bench.scenario()
  }

  @Test("The nearest copies are fewer bytes, as believed and as run, and their bound is below them")
  func nearestCopies() throws {
    let copies = "policies.placement={kind: round-robin, redundant: 64}"
    let even = try bench.place("--method", "eplb", "--set", copies, "--no-bound")
    let nearest = try bench.place(
      "--method", "eplb", "--replica-choice", "nearest", "--set", copies)
    let bound = try #require(nearest.bound)
    #expect(nearest.found.profiled.costSeconds < even.found.profiled.costSeconds)
    #expect(bound.seconds <= nearest.found.profiled.costSeconds)
    #expect(
      nearest.notes.contains(
        "this holds where tokens take the nearest copy, which a file of --out says and its runs do")
    )
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
    let own = try bench.place(
      "--method", "eplb", "--no-bound", "--set",
      "policies.placement={kind: round-robin, redundant: 64, replica-choice: nearest}")
    #expect(own.found.profiled.costSeconds == nearest.found.profiled.costSeconds)
    #expect(
      try bench.usageError(
        "compare", "scenario.yaml", "--placements", "eplb", "--replicas", "64", "--replica-choice",
        "least-loaded"
      ).contains("is not simulated"))
  }

  @Test("What the scenario pins is kept by who searches, and who would not keep it is refused")
  func pinnedExperts() throws {
    try bench.smallPlacementScenario()
    try bench.output(
      of: "place", "scenario.yaml", "--method", "eplb", "--no-bound", "--out", "eplb.yaml")
    let pinned =
      "policies.placement={kind: search, trials: 300, pinned: [{layer: 2, expert: 5, device: 3}], "
      + "forbidden: [{layer: 3, expert: 0, device: 0}]}"
    func hosts(_ layer: Int, _ expert: Int, _ file: String) throws -> String {
      // `  - [0, [2, 5], 3]`
      let groups = try bench.placementRows(file)[layer].dropFirst("  - [".count)
      return String(groups.matches(of: /\[[^\]]*\]|[0-9]+/)[expert].output)
    }
    try bench.output(
      of: "place", "scenario.yaml", "--set", pinned, "--no-bound", "--out", "pinned.yaml")
    #expect(try hosts(2, 5, "pinned.yaml") == "3" && hosts(3, 0, "pinned.yaml") != "0")
    let copied = try bench.place(
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

  @Test("Copies keep apart over nodes where that is asked for, and methods that do not are refused")
  func replicaSpread() throws {
    try bench.smallPlacementScenario(nodes: 2)
    let asked = ["--replicas", "4", "--replica-spread", "nodes"]
    for choice in ["even", "nearest"] {
      try bench.output(
        of: ["place", "scenario.yaml", "--trials", "300", "--no-bound", "--out", "apart.yaml"]
          + ["--replica-choice", choice] + asked)
      let copied = try bench.placementRows("apart.yaml").flatMap {
        $0.matches(of: /\[(\d), (\d)\]/)
      }
      #expect(copied.count > 32)
      for match in copied {
        let devices = [match.output.1, match.output.2].compactMap { Int($0) }
        #expect(devices[0] < 2 && devices[1] >= 2)
      }
    }
    // By turns both copies of the first four experts are on neighbours.
    #expect(
      try bench.refusal(
        of: ["place", "scenario.yaml", "--method", "round-robin"] + asked
      ).hasSuffix(
        "in node 0: they are to be spread over nodes; use search"))
    #expect(
      try bench.refusal("place", "scenario.yaml", "--replica-spread", "nodes")
        == "there are no redundant experts to keep apart: a replica spread has no effect")
    try bench.smallPlacementScenario()
    #expect(
      try bench.refusal(of: ["place", "scenario.yaml"] + asked)
        == "all experts live in one node: a replica spread over nodes has no effect")
  }

  @Test("Devices hold unequal numbers of experts where they may")
  func mostExperts() throws {
    try bench.smallPlacementScenario()
    let (most, trials) = (["--most-experts-per-device", "4"], ["--trials", "3000"])
    let two = try bench.place(trials)
    let four = try bench.place(trials + most + ["--out", "four.yaml"])
    #expect(two.mostExpertsPerDevice == 2 && four.mostExpertsPerDevice == 4)
    #expect(four.found.profiled.costSeconds <= two.found.profiled.costSeconds)
    #expect(try #require(four.bound).seconds <= (#require(two.bound)).seconds)
    #expect(
      try bench.output(of: ["place", "scenario.yaml", "--no-bound"] + trials + most)
        .contains("on 4 expert groups, at most 4 on one, home traffic"))
    for method in ["contiguous", "round-robin", "moetuner"] {
      #expect(
        try bench.usageError(of: ["place", "scenario.yaml", "--method", method] + most)
          .contains("--most-experts-per-device has no effect on method \(method)"))
    }
    #expect(
      try bench.refusal(
        "place", "scenario.yaml", "--method", "eplb", "--most-experts-per-device", "1")
        == "8 copies of a layer's experts do not fit 4 expert groups with 1 slot each")
    #expect(
      try bench.refusal(
        of: ["place", "scenario.yaml", "--export", "a.mps", "--export-form", "balance"] + most
      ).contains("give every device as many experts as any other"))
  }

  @Test(
    "Where tokens return home it is told how far their experts are, else how far the next ones are")
  func distances() throws {
    let nodes = ["--set", "cluster.nodes=2 x dgx-h100", "--set", "parallelism.attention.data=16"]
    let two = nodes + ["--set", "parallelism.experts.expert=16", "--method", "eplb", "--no-bound"]
    func measures(_ options: String...) throws -> Placed.Measures {
      try bench.place(two + options).found.profiled
    }
    let even = try measures("--replicas", "16")
    // 16 devices in two nodes of eight.
    #expect(abs(try #require(even.ownDeviceShare) - 1 / 16) < 1e-12)
    #expect(abs(try #require(even.ownNodeShare) - 7 / 16) < 1e-12)
    #expect(abs(try #require(even.otherNodesShare) - 1 / 2) < 1e-12 && even.localShare == nil)
    let nearest = try measures("--replicas", "16", "--replica-choice", "nearest")
    let shares = try [nearest.ownDeviceShare, nearest.ownNodeShare, nearest.otherNodesShare].map {
      try #require($0)
    }
    #expect(abs(shares.reduce(0, +) - 1) < 1e-12 && shares[0] > 1 / 16 && shares[2] < 1 / 2)
    let next = try measures("--traffic", "transition")
    let routes = try [next.localShare, next.nodeShare, next.crossShare].map { try #require($0) }
    #expect(abs(routes.reduce(0, +) - 1) < 1e-12 && next.ownDeviceShare == nil)
    let text = try bench.output(of: ["place", "scenario.yaml"] + two)
    #expect(text.contains("experts of a token") && text.contains("  in other nodes"))
    #expect(!text.contains("routes to the next layer"))
  }

  @Test("A file says which copies it was made for, and a run takes those or says that it does not")
  func fileChoice() throws {
    try bench.output(
      of: "place", "scenario.yaml", "--method", "eplb", "--replicas", "16", "--replica-choice",
      "nearest", "--no-bound", "--out", "near.yaml")
    #expect(try bench.text(bench.file("near.yaml")).contains("\nreplica-choice: nearest\n"))
    func run(_ placement: String) throws -> (tokensPerSecond: Double, remarks: [String]) {
      struct Run: Decodable {
        var tokensPerSecond: Double
        var remarks: [String]
      }
      let decoder = JSONDecoder()
      decoder.keyDecodingStrategy = .convertFromSnakeCase
      let text = try bench.output(
        of: "run", "scenario.yaml", "--json", "--set", "policies.placement=\(placement)")
      let run = try decoder.decode(Run.self, from: Data(text.utf8))
      return (run.tokensPerSecond, run.remarks.filter { $0.contains("placement file") })
    }
    let own = try run("file:near.yaml")
    #expect(
      own.remarks == ["of an expert's copies tokens take the nearest, as the placement file says"])
    let said = try run("{kind: file, path: near.yaml, replica-choice: nearest}")
    #expect(said.remarks.isEmpty && said.tokensPerSecond == own.tokensPerSecond)
    let other = try run("{kind: file, path: near.yaml, replica-choice: even}")
    let remark =
      "of an expert's copies tokens take the next in turn (even), and the placement file was made for the "
      + "nearest"
    #expect(other.remarks == [remark] && other.tokensPerSecond != own.tokensPerSecond)
    // A file that says nothing is what it was.
    let old = try bench.text(bench.file("near.yaml")).replacing(
      "replica-choice: nearest\n", with: "")
    try bench.write(old, to: "old.yaml")
    let silent = try run("file:old.yaml")
    #expect(silent.remarks.isEmpty && silent.tokensPerSecond == other.tokensPerSecond)
    // In a comparison likewise.
    let rows = try JSONDecoder().decode(
      [Compared].self,
      from: Data(
        bench.output(
          of: "compare", "scenario.yaml", "--placements", "file:near.yaml,file:old.yaml", "--json",
          "--profile-split", "1"
        ).utf8))
    #expect(rows[0].tokensPerSecond == own.tokensPerSecond)
    #expect(rows[1].tokensPerSecond == silent.tokensPerSecond)
  }
}
