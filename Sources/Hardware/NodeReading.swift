import StrictYAML
import Units

/// Reads nodes, once the devices and links they refer to are there.
struct NodeReader {
  let devices: [Device]
  let links: [Link]
  let problems: ProblemCollector
  /// Names that stand in the catalogue though their entries may be wrong: no second problem for them.
  let unreadableNames: Set<String>

  func node(_ entry: CatalogueEntry) -> Node? {
    let sourced = SourcedReader(entry, problems, context: "a node")
    let reader = sourced.entry
    let fullName = reader.text("full-name")
    let part = reader.mapping("devices", context: "'devices'")
    let device = part.flatMap { self.device("device", of: $0) }
    let count = part.flatMap {
      sourced.integer("count", from: 1...4096, in: $0, path: "devices.")
    }
    part?.finish()
    let host = host(reader, sourced)
    let notes = reader.optionalText("notes") ?? ""
    // What the node says of its links can only be judged beside what the device has.
    guard let device else { return nil }
    let hostLink = port("host-link", reader, sourced, standard: device.hostLink)
    let scaleUp = scaleUp(reader, sourced, device, hostLink)
    let network = network(reader, sourced, device)
    reader.finish()
    guard let fullName, let count, let scaleUp, let host, let hostLink else { return nil }
    return Node(
      name: entry.name, fullName: fullName, device: device, deviceCount: count, scaleUp: scaleUp,
      host: host, hostLink: hostLink, network: network, facts: sourced.facts, notes: notes)
  }

  private func device(_ key: String, of reader: MappingReader) -> Device? {
    guard let name = reader.text(key) else { return nil }
    if let device = devices.first(where: { $0.name == name }) { return device }
    reject(name, kind: "device", among: devices.map(\.name), reader, key)
    return nil
  }

  private func reject(
    _ name: String, kind: String, among names: [String], _ reader: MappingReader, _ key: String
  ) {
    guard !unreadableNames.contains(name) else { return }
    problems.add(
      HardwareError.unknown(name, kind: kind, among: names).sentence,
      at: reader.value[key]?.location ?? reader.location)
  }

  /// A link and the bandwidth on it: the node's own under `key`, or else the device's.
  private func port(
    _ key: String, _ reader: MappingReader, _ sourced: SourcedReader,
    standard: Device.Attachment?
  ) -> Node.Port? {
    guard let own = reader.optionalMapping(key, context: "'\(key)'") else {
      guard let standard else {
        problems.add(
          "the device has no '\(key)' of its own; write '\(key): {link: ..., bandwidth: ...}'",
          at: reader.location)
        return nil
      }
      return links.first { $0.name == standard.link }
        .map { Node.Port(link: $0, bandwidth: standard.bandwidth) }
    }
    let port = port(own, key, sourced, standard: standard)
    own.finish()
    return port
  }

  /// Reads `link` and `bandwidth` of a mapping that may hold more; without them the device's.
  private func port(
    _ own: MappingReader, _ key: String, _ sourced: SourcedReader, standard: Device.Attachment?
  ) -> Node.Port? {
    let name = own.optionalText("link") ?? standard?.link
    let bandwidth: Bandwidth? =
      sourced.optionalQuantity("bandwidth", in: own, path: key + ".") ?? standard?.bandwidth
    guard let name, let bandwidth else {
      problems.add(
        "the device has no '\(key)' of its own; add 'link' and 'bandwidth'", at: own.location)
      return nil
    }
    guard let link = links.first(where: { $0.name == name }) else {
      reject(name, kind: "link", among: links.map(\.name), own, "link")
      return nil
    }
    return Node.Port(link: link, bandwidth: bandwidth)
  }

  private func scaleUp(
    _ reader: MappingReader, _ sourced: SourcedReader, _ device: Device, _ hostLink: Node.Port?
  ) -> Node.ScaleUp? {
    let own = reader.mapping("scale-up", context: "'scale-up'")
    let latency = sourced.latency("collective-latency", in: reader)
    guard let own, let kind = own.word("kind", Node.ScaleUp.Kind.self) else { return nil }
    var pair: Bandwidth?
    var port = hostLink
    if kind != .host {
      port = self.port(own, "scale-up", sourced, standard: device.scaleUp)
    }
    if kind == .mesh { pair = sourced.quantity("pair", in: own, path: "scale-up.") }
    own.finish()
    guard let port, let latency, kind != .mesh || pair != nil else { return nil }
    return Node.ScaleUp(kind: kind, port: port, pairBandwidth: pair, collectiveLatency: latency)
  }

  private func host(_ reader: MappingReader, _ sourced: SourcedReader) -> Node.Host? {
    guard let own = reader.mapping("host", context: "'host'") else { return nil }
    let processor = device("processor", of: own)
    let sockets = sourced.integer("sockets", from: 1...1024, in: own, path: "host.")
    let memory: Bytes? = sourced.quantity("memory", in: own, path: "host.")
    own.finish()
    guard let processor, let sockets, let memory else { return nil }
    guard processor.kind == .cpu else {
      problems.add(
        "'\(processor.name)' is a \(processor.kind.rawValue); a host's processor is a cpu",
        at: own.value["processor"]?.location ?? own.location)
      return nil
    }
    return Node.Host(processor: processor, sockets: sockets, memoryCapacity: memory)
  }

  private func network(
    _ reader: MappingReader, _ sourced: SourcedReader, _ device: Device
  ) -> Node.Network? {
    guard let own = reader.optionalMapping("network", context: "'network'") else { return nil }
    let cards = sourced.integer("cards", from: 1...4096, in: own, path: "network.")
    let port = port(own, "network", sourced, standard: device.network)
    own.finish()
    guard let cards, let port else { return nil }
    return Node.Network(cardCount: cards, port: port)
  }
}
