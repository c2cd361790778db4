import Models
import StrictYAML
import Units

/// What moving a byte takes in one kind of memory.
struct MemoryKind {
  var name: String
  var energyPerByte: EnergyPerByte
  var isWithinDesignPower: Bool
  var facts: [SourcedFact]
}

/// What devices refer to.
struct DeviceContext {
  var links: Set<String>
  var memoryKinds: [MemoryKind]
}

extension CatalogueEntry {
  func link(_ problems: ProblemCollector) -> Link? {
    let entry = reader(problems, "a link")
    let fullName = entry.reader.text("full-name")
    let kind = entry.reader.word("kind", Link.Kind.self)
    let otherNames =
      entry.reader.optional("also")?.sequence("also", problems)?
      .compactMap { $0.text("also", problems) } ?? []
    let bandwidth: Bandwidth? = entry.quantity("bandwidth")
    let measured: Bandwidth? = entry.optionalQuantity("measured")
    let latency = entry.latency("latency")
    let hopLatency = entry.optionalLatency("hop-latency")
    let messages = entry.optionalNumber("messages-per-second", in: 1...1e15)
    let notes = entry.reader.optionalText("notes") ?? ""
    if let measured, let bandwidth, measured > bandwidth {
      problems.add(
        "'measured' is \(measured), more than the nominal \(bandwidth)",
        at: entry.reader.location(of: "measured"))
    }
    entry.finish()
    guard let fullName, let kind, let bandwidth, let latency else { return nil }
    var link = Link(
      name: name, fullName: fullName, kind: kind, bandwidth: bandwidth, measuredBandwidth: measured,
      latency: latency, hopLatency: hopLatency, messagesPerSecond: messages,
      facts: entry.facts(of: sources), notes: notes)
    link.otherNames = otherNames
    return link
  }

  func memoryKind(_ problems: ProblemCollector) -> MemoryKind? {
    let entry = reader(problems, "a memory kind")
    let energy: EnergyPerByte? = entry.quantity("energy")
    let isWithin = entry.reader.boolean("within-design-power", default: true)
    entry.finish()
    guard let energy, let isWithin else { return nil }
    return MemoryKind(
      name: name, energyPerByte: energy, isWithinDesignPower: isWithin,
      facts: entry.facts(of: sources, prefix: "memory."))
  }

  /// Everything but the fractions that another device lends.
  func deviceDraft(_ context: DeviceContext, _ problems: ProblemCollector) -> DeviceDraft? {
    let entry = reader(problems, "a device")
    let fullName = entry.reader.text("full-name")
    let kind = entry.reader.word("kind", Device.Kind.self)
    let computes = kind != .storage
    let rates = computes ? entry.peakRates() : [:]
    let memory = entry.memory(context.memoryKinds)
    let computeUnits = entry.optionalInteger("compute-units", in: 1...1_000_000)
    let unitsLike = entry.reader.optional("units-like")
    let scaleUp = entry.attachment("scale-up", context.links)
    let host = entry.attachment("host-link", context.links)
    let network = entry.attachment("network", context.links)
    let power = entry.mapping("power", context: "'power'")
    let design: Power? = power?.quantity("thermal-design")
    let idle: Power? = power?.quantity("idle")
    power?.finish()
    let efficiency =
      computes ? entry.efficiency(rates: rates, memory?.bandwidth) : .ofStorage
    let notes = entry.reader.optionalText("notes") ?? ""
    entry.finish()
    guard let fullName, let kind, let rates, let memory, let design, let idle, let efficiency
    else { return nil }
    let memoryFacts = context.memoryKinds.first { $0.name == memory.kind }?.facts ?? []
    var device = Device(
      name: name, fullName: fullName, kind: kind, peakRates: rates, memory: memory,
      scaleUp: scaleUp, hostLink: host, network: network, thermalDesignPower: design,
      idlePower: idle,
      efficiency: KernelEfficiency(tensorFractions: [:], memoryFraction: 1, launchLatency: .zero),
      facts: entry.facts(of: sources) + memoryFacts, notes: notes)
    device.computeUnits = computeUnits
    device.unitsLike = unitsLike?.text("units-like", problems)
    guard device.peakComputePower > .zero || !computes else {
      problems.add(
        "the idle power (\(idle)) and the memory at its peak (\(device.peakMemoryPower)) leave "
          + "nothing of the thermal design power (\(design)) for arithmetic",
        at: entry.reader.location(of: "power"))
      return nil
    }
    return DeviceDraft(device: device, efficiency: efficiency, unitsLike: unitsLike?.location)
  }
}

extension SourcedReader {
  fileprivate func peakRates() -> [Precision: ComputeRate]? {
    guard let compute = mapping("compute", context: "'compute'") else { return nil }
    var rates: [Precision: ComputeRate] = [:]
    for precision in Precision.allCases {
      let rate: ComputeRate? = compute.optionalQuantity(precision.rawValue)
      if let rate { rates[precision] = rate }
    }
    compute.finish()
    if compute.reader.keys.isEmpty {
      reader.problems.add(
        "a device has a compute rate in at least one precision, like 'bf16: [989 TFLOPS, source]'",
        at: compute.reader.location)
    }
    return rates.isEmpty ? nil : rates
  }

  fileprivate func memory(_ kinds: [MemoryKind]) -> Device.Memory? {
    guard let memory = mapping("memory", context: "'memory'") else { return nil }
    let kindName = memory.reader.text("kind", example: "hbm3")
    let capacity: Bytes? = memory.quantity("capacity")
    let bandwidth: Bandwidth? = memory.quantity("bandwidth")
    let cache: Bytes? = memory.optionalQuantity("cache")
    memory.finish()
    guard let kindName, let capacity, let bandwidth else { return nil }
    guard let kind = kinds.first(where: { $0.name == kindName }) else {
      let names = kinds.map(\.name)
      let meant = nearest(to: kindName, among: names).map { "did you mean '\($0)'?" }
      reader.problems.add(
        "there is no memory kind '\(kindName)'; \(meant ?? names.joined(separator: ", "))",
        at: memory.reader.place(ofValue: "kind"))
      return nil
    }
    return Device.Memory(
      kind: kind.name, capacity: capacity, bandwidth: bandwidth, cache: cache,
      energyPerByte: kind.energyPerByte, isWithinDesignPower: kind.isWithinDesignPower)
  }

  /// `{link: nvlink4, bandwidth: [450 GB/s, source]}`, or nil where the key is absent.
  fileprivate func attachment(_ key: String, _ links: Set<String>) -> Device.Attachment? {
    guard let own = optionalMapping(key, context: "'\(key)'") else { return nil }
    let link = own.reader.text("link", example: "nvlink4")
    let bandwidth: Bandwidth? = own.quantity("bandwidth")
    own.finish()
    guard let link, let bandwidth else { return nil }
    guard links.contains(link) else {
      reader.problems.add(
        HardwareError.unknown(link, kind: "link", among: Array(links)).sentence,
        at: own.reader.place(ofValue: "link"))
      return nil
    }
    return Device.Attachment(link: link, bandwidth: bandwidth)
  }
}

extension MappingReader {
  /// Where a key's value stands, or the mapping where the key is missing.
  func place(ofValue key: String) -> Location { value[key]?.location ?? location }
}
