import Engine
import Hardware
import Testing
import Units

@testable import Fabric

private let m = 1e6
private let b = 100e9

private func sentence(_ body: () throws -> Void) -> String? {
  do {
    try body()
    return nil
  } catch let error as FabricError {
    return error.sentence
  } catch {
    return "\(error)"
  }
}

@Test(arguments: FabricPlan.Fidelity.allCases)
func aLinkAtAQuarterOfItsSpeedTakesFourTimesAsLong(_ fidelity: FabricPlan.Fidelity) throws {
  let network = Network.clique(4, Bandwidth(b))
  let slow = NetworkChange(at: .zero, .link("device 0 -> device 1"), factor: 0.25)
  let done = try run(exchange(m, ranks: 4), on: network, fidelity, changes: [slow])
  #expect(isAbout(done.time, 4 * m / b))
  #expect(SimTime(roundingUp: done.leastTime) <= done.time)
  #expect(done.links[0].link == (try network.link(named: "device 0 -> device 1")))
  #expect(isAbout(done.links[0].utilisation, 1))
  #expect(isAbout(done.links[1].utilisation, 0.25))
}

@Test(arguments: FabricPlan.Fidelity.allCases)
func aLinkThatSlowsOnTheWayTakesTheRestOfItsBytesAtTheNewSpeed(
  _ fidelity: FabricPlan.Fidelity
) throws {
  // 10 us of transfer; after 4 us the speed is halved: 4 + 6 x 2.
  let slow = NetworkChange(
    at: SimTime(microseconds: 4), .link("device 0 -> device 1"), factor: 0.5)
  let done = try run(
    exchange(m, ranks: 3), on: .clique(3, Bandwidth(b)), fidelity, changes: [slow])
  #expect(isAbout(done.time, 16e-6))
}

@Test func theLastChangeOfAPartHoldsAndThoseOfItsPartsAreMultiplied() throws {
  let network = Network.star(3, Bandwidth(b))
  let port = try network.link(named: "device 1 -> center")
  let changes = [
    NetworkChange(at: SimTime(microseconds: 1), .link("device 1 -> center"), factor: 0.5),
    NetworkChange(at: SimTime(microseconds: 2), .device(1), factor: 0.8),
    NetworkChange(at: SimTime(microseconds: 3), .link("device 1 -> center"), factor: 1),
  ]
  let factors = try [0, 1, 2, 3].map {
    try network.state(after: changes, at: SimTime(microseconds: $0)).factors[port]
  }
  #expect(factors == [1, 0.5, 0.4, 0.8])
}

@Test func trafficAvoidsASpineThatFailed() throws {
  // Four spines share what eight cards send each way; three take a third more each.
  let tree = FatTree(cardsPerLeaf: 8, spines: 4, oversubscription: 2)
  let network = try Network(
    NetworkPlan(machines: machines("dgx-h100", 2), topology: .fatTree(tree)))
  let question = messages(16) { source, target in (source + 8) % 16 == target ? m : 0 }
  let failed = NetworkChange(at: .zero, .vertex("spine 2"), factor: 0)
  for fidelity in FabricPlan.Fidelity.allCases {
    let whole = try run(question, on: network, fidelity)
    let rest = try run(question, on: network, fidelity, changes: [failed])
    #expect(isAbout(rest.leastTime.value, whole.leastTime.value * 4 / 3))
    let spine = try #require(network.vertex(named: "spine 2"))
    let ends = rest.links.map { network.links[$0.link] }
    #expect(ends.allSatisfy { $0.source != spine && $0.target != spine })
  }
}

@Test func aFailedScaleUpPortLeavesTheWayThroughTheHost() throws {
  let network = try Network(NetworkPlan(machines: machines("dgx-h100", 1)))
  let failed = NetworkChange(at: .zero, .link("device 0 -> node 0 switch"), factor: 0)
  let done = try run(
    messages(8) { source, target in source == 0 && target == 1 ? m : 0 }, on: network,
    changes: [failed])
  let kinds = done.links.map { network.links[$0.link].kind }
  #expect(Set(kinds) == [.hostLane, .hostUplink])
}

@Test func whereNoWayIsLeftBothEndsAreNamed() throws {
  let plan = try NetworkPlan(
    machines: machines("dgx-h100", 2), topology: .fatTree(FatTree(cardsPerLeaf: 8, spines: 1)))
  let network = try Network(plan)
  let said = sentence {
    _ = try run(
      exchange(m, ranks: 16), on: network,
      changes: [NetworkChange(at: .zero, .vertex("spine 0"), factor: 0)])
  }
  #expect(said == "there is no way from device 8 to device 0")
}

@Test func aFailedDeviceIsReachedByNobody() throws {
  let network = Network.star(4, Bandwidth(b))
  let failed = NetworkChange(at: .zero, .device(2), factor: 0)
  let state = try network.state(after: [failed], at: .zero)
  #expect(state.failedDevices == [2])
  #expect(state.factors.count { $0 == 0 } == 2)
  #expect(
    sentence { _ = try run(exchange(m, ranks: 4), on: network, changes: [failed]) }
      == "there is no way from device 2 to device 0")
  // It comes back.
  let back = NetworkChange(at: .zero, .device(2), factor: 1)
  let done = try run(exchange(m, ranks: 4), on: network, changes: [failed, back])
  #expect(isAbout(done.time, 3 * m / b))
}

@Test func anUnknownPartIsAnsweredWithTheKnownOnes() throws {
  let network = Network.star(2, Bandwidth(b))
  func said(_ part: NetworkChange.Part) -> String? {
    sentence {
      try network.check(FabricPlan(changes: [NetworkChange(at: .zero, part, factor: 0.5)]))
    }
  }
  #expect(
    said(.link("device 0 -> device 1"))
      == "the network has no 'device 0 -> device 1'; it has device 0 -> center, "
      + "center -> device 0, device 1 -> center, center -> device 1")
  #expect(said(.vertex("spine 3")) == "the network has no 'spine 3'; it has center")
  #expect(said(.device(2)) == "the network has no 'device 2'; it has devices 0 to 1")
  #expect(said(.device(-1)) == "the network has no 'device -1'; it has devices 0 to 1")
  let large = Network.star(8, Bandwidth(b))
  let many = sentence { _ = try large.links(of: .link("x")) }
  #expect(many?.hasSuffix("device 3 -> center, 9 more") == true)
  let near = sentence { _ = try large.links(of: .link("device 6 -> centre")) }
  #expect(near?.hasSuffix("9 more; did you mean 'device 6 -> center'?") == true)
}

@Test func aLinkThatRecoversLaterKeepsTheLaws() throws {
  let m = 1e6
  let network = Network.star(4, Bandwidth(10e9), latency: .zero)
  let name = network.links[0].name
  for fidelity in FabricPlan.Fidelity.allCases {
    let done = try run(
      exchange(m, ranks: 4), on: network, fidelity,
      changes: [
        NetworkChange(at: .zero, .link(name), factor: 0.1),
        NetworkChange(at: SimTime(microseconds: 50), .link(name), factor: 1),
      ])
    #expect(done.leastTime <= Seconds(done.time))
    #expect(done.links.allSatisfy { $0.utilisation <= 1 + 1e-9 })
  }
}
