import Units

/// A machine: devices of one kind, how they reach each other, their host and the way out.
public struct Node: Hashable, Sendable {
  /// The catalogue name: `dgx-h100`.
  public var name: String
  public var fullName: String
  public var device: Device
  /// How many devices the machine has; a scenario may use fewer.
  public var deviceCount: Int
  public var scaleUp: ScaleUp
  public var host: Host
  /// Between one device and the host; all devices' together where they share nothing on the way.
  public var hostLink: Port
  /// PCIe switches between the devices and their network cards on the one side and the host on the
  /// other, each with one uplink like a device's; nil where every device has lanes of its own.
  public var hostSwitches: Int?
  /// Nil where the machine is not meant to be one of several.
  public var network: Network?
  /// A second processor beside each device; nil where there is none.
  public var companion: Companion?
  public var facts: [SourcedFact]
  public var notes: String

  public init(
    name: String, fullName: String, device: Device, deviceCount: Int, scaleUp: ScaleUp,
    host: Host, hostLink: Port, hostSwitches: Int? = nil, network: Network? = nil,
    facts: [SourcedFact] = [],
    notes: String = ""
  ) {
    self.name = name
    self.fullName = fullName
    self.device = device
    self.deviceCount = deviceCount
    self.scaleUp = scaleUp
    self.host = host
    self.hostLink = hostLink
    self.hostSwitches = hostSwitches
    self.network = network
    self.facts = facts
    self.notes = notes
  }

  /// What results that used this node must say, its device and links included. The host processor's
  /// own remarks concern only runs that compute on it.
  public var remarks: [String] {
    var all = device.remarks
    for remark in linkRemarks where !all.contains(remark) {
      all.append(remark)
    }
    return all
  }

  /// What results that used only this node's links must say.
  public var linkRemarks: [String] {
    var all = facts.unverifiedRemarks(of: name)
    let socketLink = scaleUp.kind == .host ? host.socketLink?.link : nil
    let links = [scaleUp.port.link, hostLink.link, network?.port.link, socketLink]
    for link in links.compactMap({ $0 }) {
      for remark in link.remarks where !all.contains(remark) { all.append(remark) }
    }
    return all
  }
}

extension Node {
  /// One end of a link: what passes through it in each direction.
  public struct Port: Hashable, Sendable {
    public var link: Link
    /// Nominal, each direction.
    public var bandwidth: Bandwidth

    public init(link: Link, bandwidth: Bandwidth) {
      self.link = link
      self.bandwidth = bandwidth
    }

    /// ``bandwidth`` x what the link was measured to reach of its own nominal bandwidth.
    public var effectiveBandwidth: Bandwidth { bandwidth * link.efficiency }
    public var latency: SimTime { link.latency }
  }

  /// How the devices of a node exchange data.
  public struct ScaleUp: Hashable, Sendable {
    public var kind: Kind
    /// One device's egress and, once more, its ingress: for `switched` into the switch; for `mesh`
    /// all peers together; for `grid` the link to one neighbour; for `host` the device's host link.
    public var port: Port
    /// Between two devices of a `mesh`, each direction, nominal; nil elsewhere.
    public var pairBandwidth: Bandwidth?
    /// Of `planes`; nil elsewhere.
    public var planes: Planes?
    /// Devices in each dimension of a `grid`; empty elsewhere.
    public var dimensions: [Int] = []
    /// What a collective takes before and beside its bytes: launch and protocol.
    public var collectiveLatency: SimTime

    /// The kind, and a grid's size: `grid 5 x 5`.
    public var layout: String {
      let sizes = dimensions.map(String.init).joined(separator: " x ")
      return dimensions.isEmpty ? kind.rawValue : "\(kind.rawValue) \(sizes)"
    }

    public enum Kind: String, CaseIterable, Hashable, Sendable {
      /// Through switches that do not block: only the devices' own ports limit.
      case switched
      /// A link of its own between every two devices.
      case mesh
      /// Links between neighbours only, as between the dies of a wafer; what is for others is passed
      /// on, along the first dimension first (XY).
      case grid
      /// Through the host's PCIe only.
      case host
      /// Through parallel switches that reach beyond the node: a device's port is divided among
      /// them, and each plane's switch in the node has an uplink to the plane's other nodes.
      case planes
    }

    /// The switch planes of a scale-up network of several nodes.
    public struct Planes: Hashable, Sendable {
      public var count: Int
      /// From one plane's switch in a node to the rest of the plane, each direction, nominal.
      public var uplink: Bandwidth

      public init(count: Int, uplink: Bandwidth) {
        self.count = count
        self.uplink = uplink
      }
    }

    public init(
      kind: Kind, port: Port, pairBandwidth: Bandwidth? = nil, planes: Planes? = nil,
      dimensions: [Int] = [], collectiveLatency: SimTime
    ) {
      self.kind = kind
      self.port = port
      self.pairBandwidth = pairBandwidth
      self.planes = planes
      self.dimensions = dimensions
      self.collectiveLatency = collectiveLatency
    }
  }

  /// The processors and the memory that the devices hang on.
  public struct Host: Hashable, Sendable {
    /// One socket with its memory channels.
    public var processor: Device
    public var sockets: Int
    /// Of all sockets together.
    public var memoryCapacity: Bytes
    /// Between two sockets; nil where nothing is known to limit traffic between them.
    public var socketLink: Port?

    public init(
      processor: Device, sockets: Int, memoryCapacity: Bytes, socketLink: Port? = nil
    ) {
      self.processor = processor
      self.sockets = sockets
      self.memoryCapacity = memoryCapacity
      self.socketLink = socketLink
    }

    /// Peak, of all sockets together.
    public var memoryBandwidth: Bandwidth { processor.memory.bandwidth * Double(sockets) }
  }

  /// A processor that stands beside each device and does some of its work.
  public struct Companion: Hashable, Sendable {
    /// Its ``Device/memory`` is what it streams from itself: for a processor in the device's memory
    /// stacks the bandwidth inside them.
    public var processor: Device
    /// The way between the device and the companion's own memory; nil where the companion works on
    /// the device's memory.
    public var port: Port?

    public init(processor: Device, port: Port? = nil) {
      self.processor = processor
      self.port = port
    }

    /// What results that used it must say.
    public var remarks: [String] { processor.remarks + (port?.link.remarks ?? []) }

    /// Whether device and companion work on the same memory, whose capacity is the device's.
    public var sharesMemory: Bool { port == nil }
  }

  /// The node's network cards, each behind PCIe.
  public struct Network: Hashable, Sendable {
    /// Cards that carry the devices' traffic; management and storage cards are not counted.
    public var cardCount: Int
    /// One card.
    public var port: Port

    public init(cardCount: Int, port: Port) {
      self.cardCount = cardCount
      self.port = port
    }
  }
}
