import Engine
import Fabric
import Hardware
import Models
import Placement
import Serving
import Testing
import Traces
import Units

/// Eight experts on the last six of eight groups, and the shared one on the first two.
private func apart(_ sharedGroups: Int = 2) throws -> ExpertPlacement {
  let behind = try ExpertPlacement.contiguous(layers: 3, experts: 8, groups: 6)
    .behind(sharedGroups: 2)
  return ExpertPlacement(groups: 8, hosts: behind.hosts, sharedGroups: sharedGroups)
}

@Test func everyTokenSendsOneCopyToASharedRank() throws {
  // 8 devices x 16 tokens. Ranks 0, 2, 4, 6 go to device 0 and the others to device 1, so that each
  // serves 64; those of ranks 0 and 1 stay at home, and 6 x 16 = 96 copies of 2048 bytes go there and
  // come back, in every layer.
  let cluster = try dgxH100()
  let log = try run(deployment(cluster, placement: apart()), iterations: 1)
  let without = try run(deployment(cluster, placement: apart(0)), iterations: 1)
  for layer in 1..<4 {
    let row = layer * 8..<(layer + 1) * 8
    let tokens = Array(log.loads[0].tokens[row])
    #expect(tokens[0] == 64)
    #expect(tokens[1] == 64)
    #expect(Array(tokens[2...]) == Array(without.loads[0].tokens[row][(row.lowerBound + 2)...]))
    let more =
      log.loads[0].bytesSent[row].reduce(0, +) - without.loads[0].bytesSent[row].reduce(0, +)
    #expect(more == 96 * 2048 * 2)
  }
}

@Test func sharedExpertsRunOnTheirRanksOnly() throws {
  let log = try run(deployment(dgxH100(), placement: apart()), iterations: 1)
  func devices(_ stage: Stage) -> Set<Int32> {
    Set(log.tasks.filter { $0.label.stage == stage.rawValue }.map(\.label.device))
  }
  #expect(devices(.sharedExperts) == [0, 1])
  #expect(devices(.experts).isDisjoint(with: [0, 1]))
  // They need other devices' tokens: none begins before the layer's dispatch is done.
  for task in log.tasks where task.label.stage == Stage.sharedExperts.rawValue {
    let dispatch = log.tasks.first {
      $0.label.stage == Stage.dispatch.rawValue && $0.label.layer == task.label.layer
    }
    #expect(task.start >= dispatch?.end ?? .never)
  }
}

@Test func pairsAndPortsAgreeOnCopiesForSharedRanks() throws {
  // Flows need the matrix of pairs, ports only its sums; both send the same bytes.
  let cluster = try dgxH100(2)
  let placement = try ExpertPlacement.contiguous(layers: 3, experts: 16, groups: 13)
    .behind(sharedGroups: 3)
  let model = smallModel(experts: 16)
  let trace = try skewedTrace(experts: 16)
  let ports = try deployment(cluster, model: model, placement: placement)
  let flows = try Deployment(
    model: model, cluster: cluster, precisions: Precisions(.bf16),
    parallelism: Parallelism(attention: (16, 1), experts: (16, 1)), placement: placement,
    exchange: .init(dispatch: .bf16, combine: .bf16), fabric: FabricPlan(fidelity: .flows))
  let one = try run(ports, trace: trace, iterations: 2)
  let other = try run(flows, trace: trace, iterations: 2)
  #expect(one.loads.map(\.bytesSent) == other.loads.map(\.bytesSent))
  #expect(one.loads.map(\.tokens) == other.loads.map(\.tokens))
}

@Test func theFullestDeviceHasRoutedOrSharedExperts() throws {
  let budget = MemoryBudget(
    try deployment(dgxH100(), placement: apart()),
    Workload(
      trace: try skewedTrace(), phase: .decode, batch: 2, context: 512, routing: .asRecorded))
  // Group 2 has two experts in each of three layers, group 0 one shared one.
  #expect(budget.device == 2)
  #expect(!budget.parts.contains { $0.name == "shared experts" })
  let bytes = budget.parts.first { $0.name == "experts" }?.bytes.value
  #expect(bytes == Double(6 * 3 * 1024 * 512 * 2))
}

@Test func sharedRanksThatCannotBeAreRefused() throws {
  func sentence(
    _ placement: ExpertPlacement, model: ModelArchitecture = smallModel(),
    _ exchange: Deployment.Exchange = .init(dispatch: .bf16, combine: .bf16)
  ) throws -> String? {
    let cluster = try dgxH100()
    do {
      _ = try Deployment(
        model: model, cluster: cluster, precisions: Precisions(.bf16),
        parallelism: Parallelism(attention: (8, 1), experts: (8, 1)), placement: placement,
        exchange: exchange)
      return nil
    } catch { return error.sentence }
  }
  var plain = smallModel()
  plain.experts.shared = 0
  plain.experts.sharedIntermediate = 0
  #expect(
    try sentence(apart(), model: plain)
      == "'small' has no shared experts to give expert groups of their own")
  #expect(
    try sentence(apart(), .init(dispatch: .bf16, combine: .bf16, algorithm: .twoHop))?
      .hasPrefix("shared experts have expert groups of their own") == true)
  #expect(
    try sentence(apart(), .init(dispatch: .bf16, combine: .bf16, overlap: .sharedExperts))?
      .hasPrefix("'overlap: shared-experts' has no effect") == true)
  // A routed expert beside a shared one would make one copy of two.
  do {
    _ = try ExpertSlots(devices: 2, homeDevice: [0, 1], hosts: [[[0], [1]]], sharedDevices: 1)
    Issue.record("it is built")
  } catch {
    #expect(error.sentence.contains("expert 0 of layer 0 is on device 0, one of the first 1"))
  }
}

@Test func aCopyCarriesWhatItsLibrarySendsBesideIt() throws {
  let catalogue = try HardwareCatalogue.load()
  func copy(_ library: CollectiveLibrary?, _ precision: Precision) throws -> Double {
    var model = smallModel()
    model.hidden = 7168
    let cluster = try dgxH100()
    return try Deployment(
      model: model, cluster: cluster, precisions: Precisions(.bf16),
      parallelism: Parallelism(attention: (8, 1), experts: (8, 1)),
      placement: .contiguous(layers: 3, experts: 8, groups: 8),
      exchange: .init(dispatch: precision, combine: .bf16),
      protocols: ExchangeProtocols(library, multiprocessors: nil, cluster, model, in: catalogue)
    ).dispatchedCopy.value
  }
  // 7168 / 128 scales of 4 bytes and 16 bytes; 512 bytes (CloudMatrix384).
  #expect(try copy(.deepEPLowLatency, .fp8) == 7168 + 224 + 16)
  #expect(try copy(.deepEPNormal, .bf16) == 14336)
  #expect(try copy(.cannFused, .int8) == 7168 + 512)
  #expect(try copy(.nccl, .fp8) == 7168)
  #expect(try copy(nil, .fp8) == 7168)
}

@Test func theFusedExchangesOfCloudMatrixTakeWhatWasPublished() throws {
  // Expert parallelism 8, 128 tokens of a rank, eight experts each: 116 and 118 us.
  let catalogue = try HardwareCatalogue.load()
  let link = try #require(catalogue.links.first { $0.name == "unified-bus" })
  let exchange = ExpertExchange(tokens: 128, hidden: 7168, topK: 8, experts: 256, ranks: 8)
  for (operation, published) in [(CollectiveOperation.dispatch, 116e-6), (.combine, 118e-6)] {
    let found = try #require(
      catalogue.collectiveCost(for: operation, .cannFused, scaleUp: link, ranks: 8))
    let time = found.cost.time(
      of: exchange.load(operation, .cannFused), on: .init(scaleUp: link.bandwidth))
    #expect(abs(time.value / published - 1) < 0.001)
    #expect(found.remarks == [])
  }
}
