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
    let sourced = SourcedReader(self, problems, context: "a link")
    let reader = sourced.entry
    let fullName = reader.text("full-name")
    let kind = reader.word("kind", Link.Kind.self)
    let bandwidth: Bandwidth? = sourced.quantity("bandwidth", in: reader)
    let measured: Bandwidth? = sourced.optionalQuantity("measured", in: reader)
    let latency = sourced.latency("latency", in: reader)
    let notes = reader.optionalText("notes") ?? ""
    if let measured, let bandwidth, measured > bandwidth {
      problems.add(
        "'measured' is \(measured), more than the nominal \(bandwidth)",
        at: reader.location(of: "measured"))
    }
    reader.finish()
    guard let fullName, let kind, let bandwidth, let latency else { return nil }
    return Link(
      name: name, fullName: fullName, kind: kind, bandwidth: bandwidth, measuredBandwidth: measured,
      latency: latency, facts: sourced.facts, notes: notes)
  }

  func memoryKind(_ problems: ProblemCollector) -> MemoryKind? {
    let sourced = SourcedReader(self, problems, context: "a memory kind")
    let reader = sourced.entry
    let energy: EnergyPerByte? = sourced.quantity("energy", in: reader, path: "memory.")
    let isWithin = reader.boolean("within-design-power", default: true)
    reader.finish()
    guard let energy, let isWithin else { return nil }
    return MemoryKind(
      name: name, energyPerByte: energy, isWithinDesignPower: isWithin, facts: sourced.facts)
  }

  /// Everything but the fractions that another device lends.
  func deviceDraft(_ context: DeviceContext, _ problems: ProblemCollector) -> DeviceDraft? {
    let sourced = SourcedReader(self, problems, context: "a device")
    let reader = sourced.entry
    let fullName = reader.text("full-name")
    let kind = reader.word("kind", Device.Kind.self)
    let rates = peakRates(sourced, problems)
    let memory = memory(sourced, context, problems)
    func attachment(_ key: String) -> Device.Attachment? {
      reader.optional(key).flatMap { sourced.attachment($0, key, context.links, problems) }
    }
    let (scaleUp, host, network) = (
      attachment("scale-up"), attachment("host-link"), attachment("network")
    )
    let power = reader.mapping("power", context: "'power'")
    func watts(_ key: String) -> Power? {
      power.flatMap { sourced.quantity(key, in: $0, path: "power.") }
    }
    let (design, idle) = (watts("thermal-design"), watts("idle"))
    power?.finish()
    let efficiency = efficiency(sourced, rates: rates, memory?.bandwidth, problems)
    let notes = reader.optionalText("notes") ?? ""
    reader.finish()
    guard let fullName, let kind, let rates, let memory, let design, let idle, let efficiency
    else { return nil }
    let device = Device(
      name: name, fullName: fullName, kind: kind, peakRates: rates, memory: memory,
      scaleUp: scaleUp, hostLink: host, network: network, thermalDesignPower: design,
      idlePower: idle,
      efficiency: KernelEfficiency(tensorFractions: [:], memoryFraction: 1, launchLatency: .zero),
      facts: sourced.facts + (context.memoryKinds.first { $0.name == memory.kind }?.facts ?? []),
      notes: notes)
    guard device.peakComputePower > .zero else {
      problems.add(
        "the idle power (\(idle)) and the memory at its peak (\(device.peakMemoryPower)) leave "
          + "nothing of the thermal design power (\(design)) for arithmetic",
        at: reader.location(of: "power"))
      return nil
    }
    return DeviceDraft(device: device, efficiency: efficiency, location: location)
  }

  private func peakRates(
    _ sourced: SourcedReader, _ problems: ProblemCollector
  ) -> [Precision: ComputeRate]? {
    guard let reader = sourced.entry.mapping("compute", context: "'compute'") else { return nil }
    var rates: [Precision: ComputeRate] = [:]
    for precision in Precision.allCases {
      let rate: ComputeRate? = sourced.optionalQuantity(
        precision.rawValue, in: reader, path: "compute.")
      if let rate { rates[precision] = rate }
    }
    reader.finish()
    guard !rates.isEmpty else {
      problems.add(
        "a device has a compute rate in at least one precision, like 'bf16: [989 TFLOPS, source]'",
        at: reader.location)
      return nil
    }
    return rates
  }

  private func memory(
    _ sourced: SourcedReader, _ context: DeviceContext, _ problems: ProblemCollector
  ) -> Device.Memory? {
    guard let reader = sourced.entry.mapping("memory", context: "'memory'") else { return nil }
    let kindName = reader.text("kind", example: "hbm3")
    let capacity: Bytes? = sourced.quantity("capacity", in: reader, path: "memory.")
    let bandwidth: Bandwidth? = sourced.quantity("bandwidth", in: reader, path: "memory.")
    let cache: Bytes? = sourced.optionalQuantity("cache", in: reader, path: "memory.")
    reader.finish()
    guard let kindName, let capacity, let bandwidth else { return nil }
    guard let kind = context.memoryKinds.first(where: { $0.name == kindName }) else {
      let names = context.memoryKinds.map(\.name)
      let meant = nearest(to: kindName, among: names).map { "did you mean '\($0)'?" }
      problems.add(
        "there is no memory kind '\(kindName)'; \(meant ?? names.joined(separator: ", "))",
        at: reader.value["kind"]?.location ?? reader.location)
      return nil
    }
    return Device.Memory(
      kind: kind.name, capacity: capacity, bandwidth: bandwidth, cache: cache,
      energyPerByte: kind.energyPerByte, isWithinDesignPower: kind.isWithinDesignPower)
  }
}

extension SourcedReader {
  /// `{link: nvlink4, bandwidth: [450 GB/s, source]}`.
  func attachment(
    _ value: Value, _ key: String, _ links: Set<String>, _ problems: ProblemCollector
  ) -> Device.Attachment? {
    let reader = MappingReader(value, problems, context: "'\(key)'")
    let link = reader.text("link", example: "nvlink4")
    let bandwidth: Bandwidth? = quantity("bandwidth", in: reader, path: key + ".")
    reader.finish()
    guard let link, let bandwidth else { return nil }
    guard links.contains(link) else {
      problems.add(
        HardwareError.unknown(link, kind: "link", among: Array(links)).sentence,
        at: value["link"]?.location ?? value.location)
      return nil
    }
    return Device.Attachment(link: link, bandwidth: bandwidth)
  }
}
