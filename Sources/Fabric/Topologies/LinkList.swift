import Hardware
import StrictYAML
import Units

/// A network given link by link.
///
/// ```yaml
/// switches: [left, right]
/// devices-forward: false                  # whether traffic may pass through devices
/// links:
///   - {from: device 0, to: left, bandwidth: 50 GB/s, latency: 1 us}            # both ways
///   - {from: left, to: right, bandwidth: 100 GB/s, one-way: true}
///   - {from: left, to: right, bandwidth: 100 GB/s, length: 2, kind: core}      # a longer way
/// ```
///
/// Devices are `device 0` and so on, as many as the cluster has. A link of devices is a scale-up
/// port, any other a switch link, unless `kind` says otherwise. Its bandwidth is what transfers get.
public struct LinkList: Hashable, Sendable {
  public struct Entry: Hashable, Sendable {
    public var from: String
    public var to: String
    public var bandwidth: Bandwidth
    public var latency: SimTime
    public var isOneWay: Bool
    public var length: Int
    public var kind: Network.LinkKind?
  }

  public var switches: [String]
  public var devicesForward: Bool
  public var entries: [Entry]

  public init(switches: [String], devicesForward: Bool = false, entries: [Entry]) {
    self.switches = switches
    self.devicesForward = devicesForward
    self.entries = entries
  }

  /// The words of `kind`.
  private enum KindWord: String, CaseIterable {
    case scaleUp = "scale-up"
    case pair, lane, uplink, socket, card, core

    var kind: Network.LinkKind {
      switch self {
      case .scaleUp: .scaleUp
      case .pair: .pair
      case .lane: .hostLane
      case .uplink: .hostUplink
      case .socket: .socket
      case .card: .card
      case .core: .core
      }
    }
  }

  /// Reads the file's value; nil where it is wrong, which the collector has then.
  ///
  /// - Parameter devices: Of the cluster.
  public init?(reading value: Value, devices: Int, _ problems: ProblemCollector) {
    let reader = MappingReader(value, problems, context: "a network file")
    var known: Set<String> = []
    for device in 0..<devices { known.insert("device \(device)") }
    var switches: [String] = []
    for value in reader.optional("switches")?.sequence("switches", problems) ?? [] {
      guard let name = value.text("switches", problems) else { continue }
      switches.append(name)
      guard !known.insert(name).inserted else { continue }
      problems.add(
        "'\(name)' is the name of a device or of another switch; each has its own",
        at: value.location)
    }
    let forwards = reader.boolean("devices-forward", default: false)
    let written = reader.required("links")
    let listed = written?.sequence("links", problems)
    let links = listed ?? []
    reader.finish()
    if let written, listed?.isEmpty == true {
      problems.add("a network needs links", at: written.location)
    }
    let entries = links.compactMap { Self.entry($0, known, problems) }
    guard let forwards, entries.count == links.count, !links.isEmpty else { return nil }
    self.init(switches: switches, devicesForward: forwards, entries: entries)
  }

  /// So that the longest way stays far below what simulated time reaches.
  public static let mostLatency = Seconds(1)

  private static func entry(
    _ value: Value, _ known: Set<String>, _ problems: ProblemCollector
  ) -> Entry? {
    let reader = MappingReader(value, problems, context: "a link")
    func end(_ key: String) -> String? {
      guard let written = reader.required(key, example: "device 0"),
        let name = written.text(key, problems)
      else { return nil }
      guard known.contains(name) else {
        problems.add(
          "'\(name)' is neither one of the switches nor a device of the cluster",
          at: written.location)
        return nil
      }
      return name
    }
    let from = end("from")
    let to = end("to")
    let bandwidth: Bandwidth? = reader.quantity("bandwidth")
    let latency: Seconds? =
      reader.has("latency") ? reader.quantity("latency", allowingZero: true) : .zero
    _ = reader.optional("latency")
    let isOneWay = reader.boolean("one-way", default: false)
    let length = reader.integer("length", in: 1...1000, default: 1)
    let kind = reader.has("kind") ? reader.word("kind", KindWord.self) : nil
    _ = reader.optional("kind")
    reader.finish()
    guard let from, let to, let bandwidth, let latency, let isOneWay, let length else {
      return nil
    }
    guard from != to else {
      problems.add("a link leads from '\(from)' to itself; it joins two", at: value.location)
      return nil
    }
    guard latency <= Self.mostLatency else {
      problems.add(
        "'latency' is \(latency); it must be \(Self.mostLatency) or less", at: value.location)
      return nil
    }
    return Entry(
      from: from, to: to, bandwidth: bandwidth, latency: SimTime(roundingUp: latency),
      isOneWay: isOneWay, length: length, kind: kind?.kind)
  }

  func build(_ network: inout Network) throws(FabricError) {
    if devicesForward { network.letDevicesForward() }
    var vertices: [String: Int] = [:]
    for device in 0..<network.deviceCount { vertices["device \(device)"] = device }
    for name in switches { vertices[name] = network.addVertex(name, .switch) }
    for entry in entries {
      guard let from = vertices[entry.from], let to = vertices[entry.to] else {
        throw .unknownPart(
          vertices[entry.from] == nil ? entry.from : entry.to, known: switches)
      }
      let touches = max(from, to) < network.deviceCount ? Network.LinkKind.pair : .scaleUp
      let kind = entry.kind ?? (min(from, to) < network.deviceCount ? touches : .core)
      guard entry.bandwidth.value > 0 else {
        throw .zeroCapacity(link: "\(entry.from) -> \(entry.to)")
      }
      for (source, target) in entry.isOneWay ? [(from, to)] : [(from, to), (to, from)] {
        network.addLink(
          kind, from: source, to: target, entry.bandwidth, latency: entry.latency,
          length: entry.length)
      }
    }
  }
}
