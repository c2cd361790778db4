import StrictYAML
import Units

/// Reads nodes, once the devices and links they refer to are there.
struct NodeReader {
  let devices: [Device]
  let links: [Link]
  let problems: ProblemCollector
  /// Names that stand in the catalogue though their entries may be wrong: no second problem for them.
  let unreadableNames: Set<String>

  func node(_ written: CatalogueEntry) -> Node? {
    let entry = written.reader(problems, "a node")
    let fullName = entry.reader.text("full-name")
    let part = entry.mapping("devices", context: "'devices'")
    let device = part.flatMap { self.device("device", of: $0.reader) }
    let count = part?.integer("count", in: 1...4096)
    part?.finish()
    let host = host(entry)
    let notes = entry.reader.optionalText("notes") ?? ""
    // What the node says of its links can only be judged beside what the device has.
    guard let device else { return nil }
    let hostLink = port("host-link", entry, standard: device.hostLink)
    let scaleUp = scaleUp(entry, device, hostLink, count: count)
    let network = network(entry, device)
    let companion = companion(entry)
    let hostSwitches = entry.optionalInteger("host-switches", in: 1...4096)
    entry.finish()
    guard let fullName, let count, let scaleUp, let host, let hostLink,
      !entry.reader.has("companion") || companion != nil
    else { return nil }
    var node = Node(
      name: written.name, fullName: fullName, device: device, deviceCount: count, scaleUp: scaleUp,
      host: host, hostLink: hostLink, hostSwitches: hostSwitches, network: network,
      facts: entry.facts(of: written.sources), notes: notes)
    node.companion = companion
    return node
  }

  /// `{device: logic-pim, memory: shared}` or `{device: ndp, link: cxl-..., bandwidth: ...}`, the latter
  /// with the `capacity` of its memory where that is not the device's own entry's.
  private func companion(_ entry: SourcedReader) -> Node.Companion? {
    guard let own = entry.optionalMapping("companion", context: "'companion'") else { return nil }
    defer { own.finish() }
    let named = device("device", of: own.reader)
    let sharing = own.reader.word("memory", Sharing.self, default: .own)
    guard var processor = named, let sharing else { return nil }
    guard sharing == .own else { return Node.Companion(processor: processor) }
    let capacity: Bytes? = own.optionalQuantity("capacity")
    if let capacity { processor.memory.capacity = capacity }
    return port(own, "companion", standard: processor.hostLink).map {
      Node.Companion(processor: processor, port: $0)
    }
  }

  /// Whose memory a companion works on.
  private enum Sharing: String, CaseIterable {
    /// The device's.
    case shared
    case own
  }

  private func device(_ key: String, of reader: MappingReader) -> Device? {
    guard let name = reader.text(key) else { return nil }
    if let device = devices.first(where: { $0.name == name }) { return device }
    reject(name, kind: "device", among: devices.map(\.name), at: reader.place(ofValue: key))
    return nil
  }

  private func reject(_ name: String, kind: String, among names: [String], at place: Location) {
    guard !unreadableNames.contains(name) else { return }
    problems.add(HardwareError.unknown(name, kind: kind, among: names).sentence, at: place)
  }

  /// A link and the bandwidth on it: the node's own under `key`, or else the device's.
  private func port(
    _ key: String, _ entry: SourcedReader, standard: Device.Attachment?
  ) -> Node.Port? {
    if let own = entry.optionalMapping(key, context: "'\(key)'") {
      defer { own.finish() }
      return port(own, key, standard: standard)
    }
    guard let standard else {
      problems.add(
        "the device has no '\(key)' of its own; write '\(key): {link: ..., bandwidth: ...}'",
        at: entry.reader.location)
      return nil
    }
    return links.first { $0.name == standard.link }
      .map { Node.Port(link: $0, bandwidth: standard.bandwidth) }
  }

  /// Reads `link` and `bandwidth` of a mapping that may hold more; without them the device's.
  private func port(
    _ own: SourcedReader, _ key: String, standard: Device.Attachment?
  ) -> Node.Port? {
    let name = own.reader.optionalText("link") ?? standard?.link
    let bandwidth: Bandwidth? = own.optionalQuantity("bandwidth") ?? standard?.bandwidth
    guard let name, let bandwidth else {
      problems.add(
        "the device has no '\(key)' of its own; add 'link' and 'bandwidth'",
        at: own.reader.location)
      return nil
    }
    return link(named: name, at: own.reader.place(ofValue: "link"))
      .map { Node.Port(link: $0, bandwidth: bandwidth) }
  }

  private func link(named name: String, at place: Location) -> Link? {
    if let link = links.first(where: { $0.name == name }) { return link }
    reject(name, kind: "link", among: links.map(\.name), at: place)
    return nil
  }

  private func scaleUp(
    _ entry: SourcedReader, _ device: Device, _ hostLink: Node.Port?, count: Int?
  ) -> Node.ScaleUp? {
    let own = entry.mapping("scale-up", context: "'scale-up'")
    let latency = entry.latency("collective-latency")
    guard let own, let kind = own.reader.word("kind", Node.ScaleUp.Kind.self) else { return nil }
    var pair: Bandwidth?
    var port = hostLink
    if kind != .host { port = self.port(own, "scale-up", standard: device.scaleUp) }
    if kind == .mesh { pair = own.quantity("pair") }
    let planes = kind == .planes ? planes(own) : nil
    let dimensions = kind == .grid ? dimensions(own, count: count) : []
    own.finish()
    guard let port, let latency, let dimensions, kind != .mesh || pair != nil,
      kind != .planes || planes != nil
    else { return nil }
    return Node.ScaleUp(
      kind: kind, port: port, pairBandwidth: pair, planes: planes, dimensions: dimensions,
      collectiveLatency: latency)
  }

  /// `dimensions: [5, 5]`, of which the product is the number of devices.
  private func dimensions(_ own: SourcedReader, count: Int?) -> [Int]? {
    guard let value = own.reader.required("dimensions", example: "[5, 5]"),
      let sizes = value.sequence("dimensions", problems)
    else { return nil }
    let dimensions = sizes.compactMap { $0.integer("dimensions", in: 1...4096, problems) }
    guard dimensions.count == sizes.count, let count else { return nil }
    let places = dimensions.reduce(1.0) { $0 * Double($1) }
    guard places == Double(count), !dimensions.isEmpty else {
      let text = dimensions.map(String.init).joined(separator: " x ")
      problems.add(
        "a grid of \(text) has \(Int(places)) places for \(count) devices", at: value.location)
      return nil
    }
    return dimensions
  }

  private func planes(_ own: SourcedReader) -> Node.ScaleUp.Planes? {
    let count = own.integer("planes", in: 1...1024)
    let uplink: Bandwidth? = own.quantity("uplink")
    guard let count, let uplink else { return nil }
    return Node.ScaleUp.Planes(count: count, uplink: uplink)
  }

  private func host(_ entry: SourcedReader) -> Node.Host? {
    guard let own = entry.mapping("host", context: "'host'") else { return nil }
    let processor = device("processor", of: own.reader)
    let sockets = own.integer("sockets", in: 1...1024)
    let memory: Bytes? = own.quantity("memory")
    let socketLink = own.reader.optionalText("between-sockets")
      .flatMap { link(named: $0, at: own.reader.place(ofValue: "between-sockets")) }
      .map { Node.Port(link: $0, bandwidth: $0.bandwidth) }
    own.finish()
    guard let processor, let sockets, let memory else { return nil }
    guard processor.kind == .cpu else {
      problems.add(
        "'\(processor.name)' is a \(processor.kind.rawValue); a host's processor is a cpu",
        at: own.reader.place(ofValue: "processor"))
      return nil
    }
    return Node.Host(
      processor: processor, sockets: sockets, memoryCapacity: memory, socketLink: socketLink)
  }

  private func network(_ entry: SourcedReader, _ device: Device) -> Node.Network? {
    guard let own = entry.optionalMapping("network", context: "'network'") else { return nil }
    let cards = own.integer("cards", in: 1...4096)
    let port = port(own, "network", standard: device.network)
    own.finish()
    guard let cards, let port else { return nil }
    return Node.Network(cardCount: cards, port: port)
  }
}
