import Fabric
import StrictYAML
import Units

/// The words of `fabric.topology`, with the keys that each reads.
enum TopologyKind: String, PolicyKind {
  case nonBlocking = "non-blocking"
  case railOptimised = "rail-optimised"
  case fatTree = "fat-tree"
  case dragonfly
  case mesh
  case torus
  case fullMesh = "full-mesh"
  case file

  var keys: [String] {
    switch self {
    case .nonBlocking: []
    case .railOptimised: ["nodes-per-leaf", "spines", "oversubscription", "cross-rail"]
    case .fatTree: ["cards-per-leaf", "spines", "oversubscription", "tiers"]
    case .dragonfly:
      ["cards-per-router", "routers-per-group", "global-links-per-router", "local", "global"]
    case .mesh, .torus: ["dimensions", "bandwidth", "latency"]
    case .fullMesh: ["bandwidth"]
    case .file: ["path"]
    }
  }
}

/// Reads a topology: a word where nothing needs to be said, or a mapping with `kind`.
///
/// ```yaml
/// topology: rail-optimised
/// topology: {kind: fat-tree, cards-per-leaf: 16, spines: 8, oversubscription: 2}
/// topology: {kind: fat-tree, tiers: [{children: 16}, {children: 4, switches: 8}, {children: 8, switches: 16}]}
/// topology: {kind: dragonfly, cards-per-router: 4, routers-per-group: 8, global-links-per-router: 4}
/// topology: {kind: torus, dimensions: [8, 8], bandwidth: 100 GB/s, latency: 0.5 us}
/// topology: {kind: file, path: links.yaml}
/// ```
struct TopologyReader {
  let problems: ProblemCollector
  /// Devices of the cluster, which a file of links must suit.
  let devices: Int
  /// Turns a path as it was written into one from where the program stands.
  let resolve: (String, Location) -> String

  func topology(_ value: Value) -> Topology? {
    guard let reader = PolicyReader<TopologyKind>("topology", value, problems) else { return nil }
    defer { reader.finish() }
    let mapping = reader.mapping ?? MappingReader(Value(.mapping([]), at: value.location), problems)
    switch reader.kind {
    case .nonBlocking: return .nonBlocking
    case .railOptimised: return rails(mapping).map { .railOptimised($0) }
    case .fatTree: return fatTree(mapping).map { .fatTree($0) }
    case .dragonfly: return dragonfly(mapping).map { .dragonfly($0) }
    case .mesh: return grid(mapping, wraps: false).map { .grid($0) }
    case .torus: return grid(mapping, wraps: true).map { .grid($0) }
    case .fullMesh:
      let bandwidth: Bandwidth? = mapping.optionalQuantity("bandwidth")
      guard mapping.has("bandwidth") == (bandwidth != nil) else { return nil }
      return .fullMesh(FullMesh(bandwidth: bandwidth))
    case .file: return file(mapping).map { .linkByLink($0) }
    }
  }

  /// How much more can come from below than goes up.
  private func oversubscription(_ mapping: MappingReader) -> Double? {
    guard mapping.has("oversubscription") else {
      _ = mapping.optional("oversubscription")
      return 1
    }
    return mapping.number("oversubscription", in: 0.001...1000)
  }

  private func rails(_ mapping: MappingReader) -> RailOptimised? {
    let perLeaf = mapping.optionalInteger("nodes-per-leaf", in: 1...1_000_000)
    let spines = mapping.integer("spines", in: 0...100_000, default: 0)
    let crossRail = mapping.word(
      "cross-rail", RailOptimised.CrossRail.self, default: .relay)
    guard let spines, let ratio = oversubscription(mapping), let crossRail,
      mapping.has("nodes-per-leaf") == (perLeaf != nil)
    else { return nil }
    if spines == 0, mapping.has("oversubscription") {
      problems.add(
        "'oversubscription' has no effect without 'spines'",
        at: mapping.location(of: "oversubscription"))
      return nil
    }
    return RailOptimised(
      nodesPerLeaf: perLeaf, spines: spines, oversubscription: ratio, crossRail: crossRail)
  }

  private func fatTree(_ mapping: MappingReader) -> FatTree? {
    guard let tiers = mapping.optional("tiers") else {
      let cards = mapping.integer("cards-per-leaf", in: 1...1_000_000)
      let spines = mapping.integer("spines", in: 1...100_000)
      guard let cards, let spines, let ratio = oversubscription(mapping) else { return nil }
      return FatTree(cardsPerLeaf: cards, spines: spines, oversubscription: ratio)
    }
    for key in ["cards-per-leaf", "spines", "oversubscription"] where mapping.has(key) {
      problems.add("'\(key)' has no effect beside 'tiers'", at: mapping.location(of: key))
      return nil
    }
    guard let values = tiers.sequence("tiers", problems), !values.isEmpty else { return nil }
    let read = values.compactMap { value -> FatTree.Tier? in
      let tier = MappingReader(value, problems, context: "a tier")
      let children = tier.integer("children", in: 1...10_000_000)
      let switches = tier.integer("switches", in: 1...100_000, default: 1)
      let ratio = oversubscription(tier)
      tier.finish()
      guard let children, let switches, let ratio else { return nil }
      return FatTree.Tier(children: children, switches: switches, oversubscription: ratio)
    }
    return read.count == values.count ? FatTree(tiers: read) : nil
  }

  private func dragonfly(_ mapping: MappingReader) -> Dragonfly? {
    let cards = mapping.integer("cards-per-router", in: 1...10_000)
    let routers = mapping.integer("routers-per-group", in: 1...10_000)
    let links = mapping.integer("global-links-per-router", in: 1...10_000)
    let local: Bandwidth? = mapping.optionalQuantity("local")
    let global: Bandwidth? = mapping.optionalQuantity("global")
    guard let cards, let routers, let links, mapping.has("local") == (local != nil),
      mapping.has("global") == (global != nil)
    else { return nil }
    return Dragonfly(
      cardsPerRouter: cards, routersPerGroup: routers, globalLinksPerRouter: links,
      localBandwidth: local, globalBandwidth: global)
  }

  private func grid(_ mapping: MappingReader, wraps: Bool) -> Grid? {
    let sizes = mapping.required("dimensions", example: "[8, 8]")?
      .sequence("dimensions", problems)
    let dimensions = sizes?.compactMap { $0.integer("dimensions", in: 1...1_000_000, problems) }
    let bandwidth: Bandwidth? = mapping.quantity("bandwidth")
    let latency: Seconds? = mapping.quantity("latency", allowingZero: true)
    guard let dimensions, dimensions.count == sizes?.count, let bandwidth, let latency else {
      return nil
    }
    guard latency <= LinkList.mostLatency else {
      problems.add(
        "'latency' is \(latency); it must be \(LinkList.mostLatency) or less",
        at: mapping.location(of: "latency"))
      return nil
    }
    return Grid(
      dimensions: dimensions, wraps: wraps, bandwidth: bandwidth,
      latency: SimTime(roundingUp: latency))
  }

  private func file(_ mapping: MappingReader) -> LinkList? {
    guard let written = mapping.required("path", example: "links.yaml"),
      let path = written.text("path", problems)
    else { return nil }
    let resolved = resolve(path, written.location)
    if let reason = reasonNotToRead(resolved) {
      problems.add("'\(resolved)' cannot be read: \(reason)", at: written.location)
      return nil
    }
    do {
      let value = try Value.contents(ofFile: resolved)
      return LinkList(reading: value, devices: devices, problems)
    } catch {
      problems.add(error)
      return nil
    }
  }
}
