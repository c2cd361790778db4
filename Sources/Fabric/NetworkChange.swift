import Engine
import Hardware
import StrictYAML
import Units

/// A part of the network that is slow, down or back from a moment on.
public struct NetworkChange: Hashable, Sendable {
  public var time: SimTime
  public var part: Part
  /// What is left of its data-sheet bandwidth: 0 for a part that failed, 1 for one that is back.
  public var factor: Double

  public enum Part: Hashable, Sendable {
    /// A link by its name, one direction: `node 0 card 3 out`.
    case link(String)
    /// A switch by its name, with every link that begins or ends there.
    case vertex(String)
    /// A device with all its links; slowed, it computes more slowly as well.
    case device(Int)
  }

  public init(at time: SimTime, _ part: Part, factor: Double) {
    self.time = time
    self.part = part
    self.factor = factor
  }
}

/// What state the links of a network are in at a moment.
public struct NetworkState: Hashable, Sendable {
  /// What is left of each link's bandwidth.
  public var factors: [Double]
  public var failedDevices: [Int] = []

}

extension Network {
  /// The links that a part consists of.
  ///
  /// - Throws: ``FabricError/unknownPart(_:meant:known:)``.
  public func links(of part: NetworkChange.Part) throws(FabricError) -> [Int] {
    switch part {
    case .link(let name):
      let found = links.indices.filter { links[$0].name == name }
      guard !found.isEmpty else {
        throw unknown(name, among: links.map(\.name))
      }
      return found
    case .vertex(let name):
      guard let vertex = vertex(named: name), vertices[vertex].kind == .switch else {
        throw unknown(name, among: vertices.filter { $0.kind == .switch }.map(\.name))
      }
      return outgoing[vertex] + incoming[vertex]
    case .device(let number):
      guard (0..<deviceCount).contains(number) else {
        throw .unknownPart(
          "device \(number)", known: ["devices 0 to \(deviceCount - 1)"])
      }
      return outgoing[number] + incoming[number]
    }
  }

  /// The most that is ever left of each link's bandwidth.
  func mostFactors(after changes: [NetworkChange]) throws(FabricError) -> [Double] {
    var most = try state(after: changes, at: .zero).factors
    for time in Set(changes.map(\.time)).sorted() {
      let factors = try state(after: changes, at: time).factors
      for link in most.indices { most[link] = max(most[link], factors[link]) }
    }
    return most
  }

  /// - Throws: ``FabricError/unknownPart(_:meant:known:)`` where a change names what is not there.
  public func check(_ fabric: FabricPlan) throws(FabricError) {
    for change in fabric.changes { _ = try links(of: change.part) }
    if fabric.detour == .valiant, detours.isEmpty {
      throw .withoutEffect(
        key: "detour", "'detour: valiant' has no effect here; it is for dragonflies")
    }
    if fabric.spread != nil, ports != nil {
      throw .withoutEffect(
        key: "spread",
        "'spread' has no effect here: there is one way from a device to another; give another topology"
      )
    }
  }

  private func unknown(_ name: String, among names: [String]) -> FabricError {
    guard names.count > 8 else { return .unknownPart(name, known: names) }
    return .unknownPart(
      name, meant: nearest(to: name, among: names), known: Self.first(of: names))
  }

  private static func first(of names: [String]) -> [String] {
    names.count > 8 ? names.prefix(7) + ["\(names.count - 7) more"] : names
  }

  /// Refuses changes of companions' links, which are none of the network's.
  ///
  /// - Throws: ``FabricError/companionLink(_:nameable:)``.
  public func check(
    _ changes: [NetworkChange], beside companion: Node.Companion?
  ) throws(FabricError) {
    guard let companion, companion.port != nil else { return }
    for change in changes {
      guard case .link(let name) = change.part else { continue }
      let isCompanions = (0..<deviceCount).contains {
        let names = companion.linkNames(ofDevice: $0)
        return name == names.to || name == names.from
      }
      guard isCompanions else { continue }
      let switches = vertices.filter { $0.kind == .switch }.map(\.name)
      let parts = [("link", links.map(\.name)), ("switch", switches)]
        .filter { !$0.1.isEmpty }
        .map { "a \($0.0) (\(Self.first(of: $0.1).joined(separator: ", ")))" }
      let devices = deviceCount == 1 ? "0" : "0 to \(deviceCount - 1)"
      throw .companionLink(name, nameable: parts + ["a device (\(devices))"])
    }
  }

  /// The state after all changes up to and at `time`. Where several concern one link, the last one
  /// for each part holds, and the parts' factors are multiplied.
  public func state(
    after changes: [NetworkChange], at time: SimTime
  ) throws(FabricError) -> NetworkState {
    var state = NetworkState(factors: [Double](repeating: 1, count: links.count))
    var parts: [NetworkChange.Part] = []
    let ordered = changes.enumerated().sorted {
      ($0.element.time, $0.offset) < ($1.element.time, $1.offset)
    }
    for (_, change) in ordered.reversed()
    where change.time <= time && !parts.contains(change.part) {
      parts.append(change.part)
      for link in Set(try links(of: change.part)).sorted() {
        state.factors[link] *= change.factor
      }
      if case .device(let number) = change.part, change.factor == 0 {
        state.failedDevices.append(number)
      }
    }
    return state
  }
}

extension ClusterResources {
  /// What the changes make of capacities. A link that fails keeps what it has for what is under way
  /// on it: new traffic finds another way.
  ///
  /// - Throws: ``FabricError/unknownPart(_:meant:known:)``.
  public func capacityChanges(
    _ changes: [NetworkChange]
  ) throws(FabricError) -> [CapacityChange] {
    var result: [CapacityChange] = []
    /// What each link had left after the changes so far.
    var left = [Double](repeating: 1, count: network.links.count)
    for time in Set(changes.map(\.time)).sorted() {
      let state = try network.state(after: changes, at: time)
      for link in network.links.indices
      where state.factors[link] > 0 && state.factors[link] != left[link] {
        left[link] = state.factors[link]
        result.append(
          CapacityChange(
            at: time, resource: links[link],
            capacity: network.links[link].bandwidth * state.factors[link]))
      }
      for change in changes where change.time == time && change.factor > 0 {
        guard case .device(let number) = change.part else { continue }
        for resource in [devices[number].cores, devices[number].tensor, devices[number].memory] {
          result.append(
            CapacityChange(
              at: time, resource: resource,
              capacity: table.capacities[resource.position] * change.factor))
        }
      }
    }
    return result
  }
}
