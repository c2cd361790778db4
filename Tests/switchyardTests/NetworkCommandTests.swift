import Foundation
import Testing

@Suite("switchyard network")
struct NetworkCommandTests {
  let bench: Workbench

  init() throws { bench = try Workbench() }

  private func seconds(_ arguments: String...) throws -> Double {
    let outcome = try bench.run(["network"] + arguments + ["--json"])
    try #require(outcome.exitCode == 0, "\(outcome.errors)")
    let object = try JSONSerialization.jsonObject(with: Data(outcome.output.utf8))
    let report = try #require(object as? [String: Any])
    return try #require(report["seconds"] as? Double)
  }

  @Test("An overview, every link, the ways from a device, half to half")
  func shows() throws {
    let cluster = "2 x dgx-h100, rail-optimised, ndr400"
    let overview = try bench.output(of: "network", cluster)
    #expect(overview.contains("16 devices in 2 nodes, rail-optimised"))
    #expect(overview.contains("network cards             32     46 GB/s  1.472 TB/s"))
    #expect(
      try bench.output(of: "network", cluster, "--show", "links")
        .contains("node 1 card 7 in"))
    // Device 9 is on another rail: by a neighbour of the sender's.
    #expect(
      try bench.output(of: "network", cluster, "--show", "routes", "--from", "0")
        .contains("device 1 -> node 0 PCIe 1 -> rail 1 leaf -> node 1 PCIe 1 -> device 9"))
    // Eight cards of 46 GB/s.
    #expect(
      try bench.output(of: "network", cluster, "--show", "bisection").contains("368 GB/s"))
  }

  @Test("A scenario's network, without the rest of the scenario")
  func scenario() throws {
    try bench.write(
      """
      switchyard: 1
      cluster: {nodes: 2 x dgx-a100}
      fabric: {topology: {kind: fat-tree, cards-per-leaf: 8, spines: 1, oversubscription: 2}}
      """, to: "net.yaml")
    let blocked = try seconds(
      "net.yaml", "--collective", "all-to-all", "--bytes", "1GiB", "--library", "none")
    let free = try seconds(
      "2 x dgx-a100", "--collective", "all-to-all", "--bytes", "1GiB", "--library", "none")
    #expect(abs(blocked / free - 2) < 0.001)
  }

  @Test("Two-node all-to-all of 1 GiB is within 7 % of what MSCCL++ measured")
  func twoNodes() throws {
    let hdr = try seconds("2 x dgx-a100", "--collective", "all-to-all", "--bytes", "1GiB")
    #expect(abs(hdr / 0.023071 - 1) < 0.02)
    let ndr = try seconds("2 x dgx-h100", "--collective", "all-to-all", "--bytes", "1GiB")
    #expect(abs(ndr / 0.011076 - 1) < 0.07)
  }

  @Test("NCCL inside a node as measured: 512 MiB on 8 H100")
  func insideANode() throws {
    for (collective, measured) in [
      ("all-reduce", 2.1115e-3), ("all-to-all", 1.4805e-3), ("all-gather", 1.399e-3),
      ("reduce-scatter", 1.400e-3),
    ] {
      let simulated = try seconds("dgx-h100", "--collective", collective, "--bytes", "512MiB")
      #expect(abs(simulated / measured - 1) < 0.1, "\(collective): \(simulated)")
    }
  }

  @Test("A traffic matrix, and the heat map of what was sent")
  func matrix() throws {
    try bench.write(
      "0,1e6,0,0\n0,0,0,0\n0,0,0,5e5\n0,0,0,0\n", to: "matrix.csv")
    try bench.output(
      of: "network", "dgx-h100", "--collective", "all-to-all", "--matrix", "matrix.csv",
      "--ranks", "4", "--heat-map", "map.csv")
    #expect(
      try bench.text(bench.file("map.csv"))
        == """
        source,0,1,2,3
        0,0.0,1000000.0,0.0,0.0
        1,0.0,0.0,0.0,0.0
        2,0.0,0.0,0.0,500000.0
        3,0.0,0.0,0.0,0.0

        """)
    // A heat map is a matrix, and neither is written over the other.
    let again = ["network", "dgx-h100", "--collective", "all-to-all", "--ranks", "4"]
    let arguments = again + ["--heat-map", "again.csv", "--matrix"]
    #expect(try bench.run(arguments + ["map.csv"]).exitCode == 0)
    #expect(try bench.text(bench.file("again.csv")) == bench.text(bench.file("map.csv")))
    #expect(
      try bench.refusal(of: arguments + ["./again.csv"])
        == "--heat-map and --matrix are the same file, which would be lost")
    // 0.75 MB on the average from a rank to the others, and none kept.
    let report = try bench.output(
      of: "network", "dgx-h100", "--collective", "all-to-all", "--matrix", "map.csv", "--ranks",
      "4")
    let bandwidths = report.split(separator: "\n").filter { $0.hasPrefix("bandwidth of the ") }
      .map { $0.split(separator: " ").suffix(2) }
    #expect(bandwidths.count == 2 && bandwidths.first == bandwidths.last)
  }

  @Test("Links carry the bytes of the messages; what the library adds is in the time")
  func linkBytes() throws {
    let report = try bench.output(
      of: "network", "dgx-h100", "--collective", "all-to-all", "--bytes", "800 MB")
    #expect(report.contains("device 0 -> node 0 switch  scale-up ports  700 MB"))
  }

  @Test("Over several nodes an all-reduce uses every card by itself")
  func allReduce() throws {
    let report = try bench.output(
      of: "network", "4 x dgx-h100", "--collective", "all-reduce", "--bytes", "1GiB")
    #expect(report.hasPrefix("all-reduce by hierarchical, 32 ranks"))
    let ring = try seconds(
      "4 x dgx-h100", "--collective", "all-reduce", "--bytes", "1GiB", "--algorithm", "ring")
    let all = try seconds("4 x dgx-h100", "--collective", "all-reduce", "--bytes", "1GiB")
    #expect(all < ring / 3)
  }

  @Test("What comes after the end is said, and what cannot be followed is refused")
  func changes() throws {
    func scenario(_ change: String) throws {
      try bench.write(
        """
        switchyard: 1
        cluster: {nodes: 2 x dgx-a100}
        fabric: {changes: [{at: 1 s, link: node 0 card 3 out, factor: \(change)}]}
        """, to: "net.yaml")
    }
    let ask = ["network", "net.yaml", "--collective", "all-to-all", "--bytes", "1MB"]
    try scenario("0.5")
    #expect(
      try bench.run(ask).output.contains("1 of 1 changes come after the collective's end"))
    try scenario("0")
    #expect(try bench.refusal(of: ask).contains("keeps the ways that there are at its beginning"))
  }

  @Test("Bad input: each gets its sentence and exit code 2")
  func refusals() throws {
    let ask = ["--collective", "all-to-all", "--bytes", "1MB"]
    func refusal(_ arguments: String...) throws -> String {
      try bench.refusal(of: ["network"] + arguments)
    }
    try bench.write("1,2\n3,4\n", to: "small.csv")
    #expect(
      try refusal(
        "dgx-h100", "--collective", "all-to-all", "--matrix", "small.csv", "--ranks", "4"
      )
      .hasPrefix("small.csv:1: "))
    #expect(
      try refusal("100000 x dgx-h100", ask[0], ask[1], ask[2], ask[3])
        .contains("of memory; at most 4 GB are used"))
    #expect(
      try refusal("dgx-h100", ask[0], ask[1], ask[2], ask[3], "--ranks", "1000000")
        == "there are 8 devices, so there cannot be 1000000 ranks; ask for 1 to 8")
    #expect(
      try refusal("2 x dgx-h100", "--set", "policies.placement=random")
        == "--set policies.placement=random:1:1: 'policies.placement' has no effect on the network")
    #expect(
      try refusal("dgx-h100, rail-optimised")
        .hasSuffix("'rail-optimised' has no effect: it joins nodes, and there is one"))
    #expect(
      try refusal("2 x 8x-rtx-3090, rail-optimised")
        .contains(":3:20: rails join network cards, and these nodes have none"))
    #expect(
      try refusal("dgx-h100", "--collective", "gather", "--bytes", "1MB")
        .hasPrefix("there is no collective 'gather'; there are all-to-all"))
    #expect(
      try refusal("dgx-h100", ask[0], ask[1], ask[2], ask[3], "--algorithm", "ring")
        .hasPrefix("all-to-all has no algorithm 'ring'; it has flat"))
    #expect(
      try refusal("dgx-h100", "--collective", "all-to-all", "--bytes", "1MBit")
        .hasPrefix("--bytes: "))
    #expect(
      try refusal("dgx-h100", "--bytes", "1MB") == "--bytes has no effect without --collective")
    #expect(
      try refusal("dgx-h100, ring-of-rings").contains(
        "'ring-of-rings' is not a value of 'topology'"))
    try bench.write(
      """
      switchyard: 1
      cluster: {nodes: 2 x dgx-h100}
      fabric: {changes: [{at: 0 s, switch: core, factor: 0}]}
      """, to: "cut.yaml")
    #expect(
      try refusal("cut.yaml", ask[0], ask[1], ask[2], ask[3])
        .hasPrefix("there is no way from device "))
  }
}
