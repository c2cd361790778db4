import Models
import StrictYAML
import Units

/// What a device's entry itself says about its efficiency.
struct EfficiencyDraft {
  /// The device that lends what is missing, and where it is named.
  var relative: (name: String, location: Location)?
  var tensorFractions: [Precision: Double] = [:]
  var memoryFraction: Double?
  var launchLatency: SimTime?

  /// What is the device's own, in words.
  var own: [String] {
    Precision.allCases.filter { tensorFractions[$0] != nil }.map(\.rawValue)
      + (memoryFraction == nil ? [] : ["memory"]) + (launchLatency == nil ? [] : ["launch latency"])
  }
}

extension CatalogueEntry {
  /// Nil, with problems, where the entry has no efficiency or an incomplete one without a relative.
  func efficiency(
    _ sourced: SourcedReader, rates: [Precision: ComputeRate]?, _ bandwidth: Bandwidth?,
    _ problems: ProblemCollector
  ) -> EfficiencyDraft? {
    guard let reader = sourced.entry.mapping("efficiency", context: "'efficiency'") else {
      return nil
    }
    var draft = EfficiencyDraft()
    draft.relative = reader.optionalText("like").map { ($0, reader.location(of: "like")) }
    draft.tensorFractions = fractions(sourced, reader, rates, problems)
    draft.memoryFraction = memoryFraction(sourced, reader, bandwidth, problems)
    draft.launchLatency = sourced.optionalLatency(
      "launch-latency", in: reader, path: "efficiency.")
    reader.finish()
    let isComplete =
      !draft.tensorFractions.isEmpty && draft.memoryFraction != nil && draft.launchLatency != nil
    if draft.relative == nil && !isComplete {
      problems.add(
        "'efficiency' needs 'measured' or 'fractions', 'memory-fraction' or 'measured-bandwidth', "
          + "and 'launch-latency'; or 'like' with the device whose fractions stand in",
        at: reader.location)
      return nil
    }
    return draft
  }

  /// `measured` rates over the peaks, and `fractions` as they stand.
  private func fractions(
    _ sourced: SourcedReader, _ efficiency: MappingReader, _ rates: [Precision: ComputeRate]?,
    _ problems: ProblemCollector
  ) -> [Precision: Double] {
    var fractions: [Precision: Double] = [:]
    if let reader = efficiency.optionalMapping("measured", context: "'measured'") {
      for precision in Precision.allCases where reader.has(precision.rawValue) {
        let rate: ComputeRate? = sourced.quantity(
          precision.rawValue, in: reader, path: "efficiency.measured.")
        guard let rate, let rates else { continue }
        if let peak = rates[precision], rate <= peak {
          fractions[precision] = rate / peak
        } else {
          let peak = rates[precision].map { "\($0)" } ?? "missing"
          problems.add(
            "the measured \(precision.rawValue) rate is \(rate) and the peak under 'compute' is "
              + "\(peak); a measured rate is a part of a peak",
            at: reader.location(of: precision.rawValue))
        }
      }
      reader.finish()
    }
    if let reader = efficiency.optionalMapping("fractions", context: "'fractions'") {
      for precision in Precision.allCases {
        guard let value = reader.optional(precision.rawValue) else { continue }
        let path = "efficiency.fractions."
        fractions[precision] = sourced.fraction(value, precision.rawValue, path: path)
      }
      reader.finish()
    }
    return fractions
  }

  private func memoryFraction(
    _ sourced: SourcedReader, _ reader: MappingReader, _ peak: Bandwidth?,
    _ problems: ProblemCollector
  ) -> Double? {
    let measured: Bandwidth? = sourced.optionalQuantity(
      "measured-bandwidth", in: reader, path: "efficiency.")
    let fraction = reader.optional("memory-fraction").flatMap {
      sourced.fraction($0, "memory-fraction", path: "efficiency.")
    }
    guard let measured, let peak else { return fraction }
    let location = reader.location(of: "measured-bandwidth")
    if fraction != nil {
      problems.add(
        "'measured-bandwidth' and 'memory-fraction' say the same thing; keep one", at: location)
    }
    if measured > peak {
      problems.add("'measured-bandwidth' is \(measured), more than the peak \(peak)", at: location)
    }
    return measured / peak
  }
}

/// A device whose efficiency may still lack what a relative lends.
struct DeviceDraft {
  var device: Device
  var efficiency: EfficiencyDraft
  var location: Location

  /// Lends fractions along `like` until nothing is missing.
  static func resolved(_ drafts: [DeviceDraft], _ problems: ProblemCollector) -> [Device] {
    let byName = Dictionary(drafts.map { ($0.device.name, $0) }, uniquingKeysWith: { a, _ in a })
    return drafts.compactMap { draft in
      guard let efficiency = draft.efficiency(byName, problems) else { return nil }
      var device = draft.device
      device.efficiency = efficiency
      return device
    }
  }

  private func efficiency(
    _ drafts: [String: DeviceDraft], _ problems: ProblemCollector
  ) -> KernelEfficiency? {
    var merged = efficiency
    var visited: Set<String> = [device.name]
    var next = efficiency.relative
    while let (name, location) = next {
      guard let relative = drafts[name] else {
        problems.add(
          HardwareError.unknown(name, kind: "device", among: Array(drafts.keys)).sentence,
          at: location)
        return nil
      }
      guard visited.insert(name).inserted else {
        problems.add("'like' leads in a circle through '\(name)'", at: location)
        return nil
      }
      merged.tensorFractions.merge(relative.efficiency.tensorFractions) { mine, _ in mine }
      merged.memoryFraction = merged.memoryFraction ?? relative.efficiency.memoryFraction
      merged.launchLatency = merged.launchLatency ?? relative.efficiency.launchLatency
      next = relative.efficiency.relative
    }
    guard let memory = merged.memoryFraction, let latency = merged.launchLatency else { return nil }
    return KernelEfficiency(
      tensorFractions: merged.tensorFractions, memoryFraction: memory, launchLatency: latency,
      relative: efficiency.relative?.name, ownMeasurements: relativeOwn)
  }

  private var relativeOwn: [String] { efficiency.relative == nil ? [] : efficiency.own }
}
