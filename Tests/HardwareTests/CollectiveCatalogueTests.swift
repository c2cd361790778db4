import Foundation
import Hardware
import StrictYAML
import Testing
import Units

@Suite("The shipped costs of collectives")
struct CollectiveCatalogueTests {
  let catalogue: HardwareCatalogue

  init() throws { catalogue = try Shipped.catalogue() }

  private func found(
    _ operation: CollectiveOperation, _ library: CollectiveLibrary, _ up: String,
    _ out: String? = nil, ranks: Int = 8, nodes: Int = 1, floats: Bool = true
  ) throws -> HardwareCatalogue.FoundCollectiveCost {
    let scaleOut = try out.map { try catalogue.link(named: $0) }
    let found = catalogue.collectiveCost(
      for: operation, library, scaleUp: try catalogue.link(named: up), scaleOut: scaleOut,
      ranks: ranks, nodes: nodes, isFloatingPoint: floats)
    return try #require(found)
  }

  @Test("have a source for every number and errors within the goals")
  func sourcesAndErrors() {
    #expect(catalogue.collectives.count == 19)
    for cost in catalogue.collectives {
      #expect(cost.facts.count >= 12 && !cost.citation.isEmpty, "\(cost.name)")
      #expect(cost.facts.allSatisfy { !$0.citation.isEmpty && !$0.isUnverified })
      // Five percent were asked of NCCL, ten of DeepEP.
      #expect(cost.fit.median <= 0.05, "\(cost.name)")
      #expect(cost.fit.heldOutMedian <= (cost.library == .nccl ? 0.065 : 0.05), "\(cost.name)")
      #expect(cost.share > 0.4 && cost.share <= 1)
    }
  }

  @Test("never make more bytes faster, nor more ranks of the same piece")
  func monotone() throws {
    let ports = CollectiveCost.Ports(scaleUp: 450e9, scaleOut: 50e9)
    for cost in catalogue.collectives {
      var previous = Seconds.zero
      for exponent in 8..<36 {
        let load =
          if cost.library == .nccl {
            cost.load(buffer: Bytes(exp2(Double(exponent))), ranks: 8)
          } else {
            ExpertExchange(
              tokens: exp2(Double(exponent) / 2), hidden: 7168, topK: 8, experts: 256,
              ranks: 8 * cost.range.nodes.upperBound, nodes: cost.range.nodes.upperBound
            ).load(cost.operation, cost.library)
          }
        let time = cost.time(of: load, on: ports)
        #expect(time > previous, "\(cost.name) at 2^\(exponent)")
        previous = time
      }
    }
  }

  @Test("give the bus bandwidths that the tables' largest rows have")
  func largestRows() throws {
    // 512 MiB over eight devices, by bytes on the wire: all-to-all 203 GB/s on A100 and 315 on H100,
    // all-reduce 222 and 445, all-gather 205 and 335.
    let rows: [(CollectiveOperation, String, Double, Double)] = [
      (.allToAll, "nvlink3", 203, 1), (.allToAll, "nvlink4", 315, 1),
      (.allReduce, "nvlink3", 222, 2), (.allReduce, "nvlink4", 445, 2),
      (.allGather, "nvlink3", 205, 1), (.allGather, "nvlink4", 335, 1),
    ]
    for (operation, link, published, passes) in rows {
      let cost = try found(operation, .nccl, link).cost
      let ports = CollectiveCost.Ports(scaleUp: try catalogue.link(named: link).bandwidth)
      let buffer = Bytes(0x1p29)
      let time = cost.time(of: cost.load(buffer: buffer, ranks: 8), on: ports)
      let bandwidth = passes * buffer.value * 7 / 8 / time.value / 1e9
      #expect(abs(bandwidth / published - 1) < 0.05, "\(operation) \(link): \(bandwidth)")
    }
  }

  @Test("foretell an all-to-all of two H100 nodes that no fit has seen")
  func twoNodesOfAnotherLibrary() throws {
    // MSCCL++ CI: 1 GiB for each of 16 ranks, 11,076 us over NDR; half of the bytes leave the node.
    let cost = try found(
      .dispatch, .deepEPLowLatency, "nvlink4", "infiniband-ndr", ranks: 16, nodes: 2
    ).cost
    let load = CollectiveLoad(
      wireBytes: Bytes(0x1p30 * 7 / 16), networkBytes: Bytes(0x1p29), ranks: 16, nodes: 2)
    let time = cost.time(of: load, on: .init(scaleUp: 450e9, scaleOut: 50e9))
    #expect(abs(time.value / 11_076e-6 - 1) < 0.04)
  }

  @Test("add up in the switch where floats of as many ranks were measured so")
  func algorithmOfAllReduce() throws {
    #expect(try found(.allReduce, .nccl, "nvlink4").cost.algorithm == .inSwitch)
    #expect(try found(.allReduce, .nccl, "nvlink4", floats: false).cost.algorithm == .ranks)
    #expect(try found(.allReduce, .nccl, "nvlink4", ranks: 4).cost.algorithm == .ranks)
    #expect(try found(.allReduce, .nccl, "nvlink3").cost.algorithm == .ranks)
  }

  @Test("take the newest measured generation for links without measurements, and say so")
  func nearestRelative() throws {
    let own = try found(.allToAll, .nccl, "nvlink3")
    #expect(own.cost.scaleUp == "nvlink3" && own.remarks.isEmpty)
    let newer = try found(.allToAll, .nccl, "nvlink5")
    #expect(newer.cost.scaleUp == "nvlink4")
    #expect(newer.remarks == ["uncalibrated: costs of nvlink4"])
    let both = try found(.combine, .deepEPNormal, "nvlink5", "roce-400g", ranks: 16, nodes: 2)
    #expect(both.remarks == ["uncalibrated: costs of nvlink4 and infiniband-ndr"])
    #expect(both.cost.range.nodes == 2...8)
    let inside = try found(.combine, .deepEPNormal, "nvlink4")
    #expect(inside.cost.range.nodes == 1...1 && inside.remarks.isEmpty)
  }

  @Test("stand in for operations that nobody measured, and say so")
  func relativeOperation() throws {
    let send = try found(.send, .nccl, "nvlink4", ranks: 2)
    #expect(send.cost.operation == .allToAll)
    #expect(send.remarks == ["uncalibrated: costs of all-to-all for send"])
    let far = try found(.allReduce, .nccl, "nvlink3", "infiniband-hdr", ranks: 16, nodes: 2)
    #expect(far.remarks == ["uncalibrated: nccl between nodes takes the costs inside one"])
    let link = try catalogue.link(named: "nvlink4")
    #expect(
      catalogue.collectiveCost(for: .allReduce, .deepEPNormal, scaleUp: link, ranks: 8) == nil)
  }
}

@Suite("A user's file of collectives")
struct BadCollectiveTests {
  private static let entry = """
    sources: {bench: my benchmark}
    collectives:
      mine:
        source: bench
        library: nccl
        operation: all-to-all
        scale-up: nvlink4
        launch: 8 us
        protocol: {bandwidth: 7 GB/s, ceiling: 6 us}
        share: 0.7
        network-shares: {2: 0.9, 4: 0.8}
        range:
          least-bytes: 100 B
          most-bytes: 1 GB
          least-ranks: 2
          most-ranks: 8
          least-nodes: 1
          most-nodes: 4
        fit: {date: '2026-11-21', rows: 10, held-out: 2, median: 0.03, ninetieth: 0.1, worst: 0.2,
          held-out-median: 0.04}
    """

  private func load(_ text: String) throws -> HardwareCatalogue {
    let path = FileManager.default.temporaryDirectory
      .appendingPathComponent("collectives-\(UUID().uuidString).yaml").path
    defer { try? FileManager.default.removeItem(atPath: path) }
    try text.write(toFile: path, atomically: true, encoding: .utf8)
    return try HardwareCatalogue.load(extraFiles: [path])
  }

  /// `line: sentence` of everything that is wrong.
  private func problems(replacing part: String, by other: String) throws -> [String] {
    try #require(Self.entry.contains(part))
    do {
      _ = try load(Self.entry.replacingOccurrences(of: part, with: other))
      return []
    } catch let problems as Problems {
      return problems.list.map { "\($0.location.line): \($0.sentence)" }
    }
  }

  @Test("is read with all its numbers")
  func goodFile() throws {
    let cost = try #require(try load(Self.entry).collectives.last)
    #expect(cost.name == "mine" && cost.launch == 8e-6 && cost.share == 0.7)
    #expect(cost.protocolBandwidth == 7e9 && cost.protocolCeiling == 6e-6)
    #expect(cost.networkShares.map(\.nodes) == [2, 4])
    #expect(cost.range.bytes == 100...1e9 && cost.range.ranks == 2...8)
    #expect(cost.fit.rows == 10 && cost.fit.ninetieth == 0.1)
    #expect(cost.citation == "my benchmark")
  }

  @Test("is refused with one sentence for each mistake")
  func mistakes() throws {
    #expect(
      try problems(replacing: "scale-up: nvlink4", by: "scale-up: nvlnk4")
        == ["7: there is no link 'nvlnk4' in the catalogue; did you mean 'nvlink4'?"])
    #expect(
      try problems(replacing: "least-ranks: 2", by: "least-ranks: 9")
        == ["15: 'least-ranks' is 9, more than 'most-ranks', 8"])
    #expect(
      try problems(replacing: "least-bytes: 100 B", by: "least-bytes: 2 GB")
        == ["13: 'least-bytes' is 2 GB, more than 'most-bytes', 1 GB"])
    #expect(
      try problems(replacing: "{2: 0.9, 4: 0.8}", by: "{4: 0.9, 2: 0.8}")
        == [
          "11: '2' is not a number of nodes; 'network-shares' maps node counts from 2, ascending, "
            + "to shares"
        ])
    #expect(try problems(replacing: "share: 0.7", by: "share: 1.7").count == 1)
    #expect(try problems(replacing: "launch: 8 us", by: "lunch: 8 us").count == 2)
    #expect(try problems(replacing: "    source: bench\n", by: "").count >= 10)
    #expect(
      try problems(replacing: "operation: all-to-all", by: "operation: all-to-one").count == 1)
  }
}
