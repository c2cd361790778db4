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

  /// Of what computes nothing: its bandwidth is what it reads at.
  static let ofStorage = EfficiencyDraft(memoryFraction: 1, launchLatency: .zero)

  /// What is the device's own, in words.
  var own: [String] {
    Precision.allCases.filter { tensorFractions[$0] != nil }.map(\.rawValue)
      + (memoryFraction == nil ? [] : ["memory"]) + (launchLatency == nil ? [] : ["launch latency"])
  }
}

extension SourcedReader {
  /// Nil, with problems, where the entry has no efficiency or an incomplete one without a relative.
  func efficiency(
    rates: [Precision: ComputeRate]?, _ bandwidth: Bandwidth?
  ) -> EfficiencyDraft? {
    guard let own = mapping("efficiency", context: "'efficiency'") else { return nil }
    var draft = EfficiencyDraft()
    draft.relative = own.reader.optionalText("like").map {
      ($0, own.reader.place(ofValue: "like"))
    }
    draft.tensorFractions = own.measuredFractions(of: rates)
    if let fractions = own.optionalMapping("fractions", context: "'fractions'") {
      for precision in Precision.allCases {
        let fraction = fractions.optionalNumber(precision.rawValue, in: 0.001...1)
        if let fraction { draft.tensorFractions[precision] = fraction }
      }
      fractions.finish()
    }
    draft.memoryFraction = own.memoryFraction(of: bandwidth)
    draft.launchLatency = own.optionalLatency("launch-latency")
    own.finish()
    let has = !draft.tensorFractions.isEmpty
    let hasMemory = ["memory-fraction", "measured-bandwidth"].contains(where: own.reader.has)
    if draft.relative == nil && !(has && hasMemory && own.reader.has("launch-latency")) {
      reader.problems.add(
        "'efficiency' needs 'measured' or 'fractions', 'memory-fraction' or 'measured-bandwidth', "
          + "and 'launch-latency'; or 'like' with the device whose fractions stand in",
        at: own.reader.location)
      return nil
    }
    return draft
  }

  /// `measured` rates over the peaks.
  private func measuredFractions(of peaks: [Precision: ComputeRate]?) -> [Precision: Double] {
    guard let measured = optionalMapping("measured", context: "'measured'") else { return [:] }
    var fractions: [Precision: Double] = [:]
    for precision in Precision.allCases {
      let found: ComputeRate? = measured.optionalQuantity(precision.rawValue)
      guard let rate = found, let peaks else { continue }
      if let peak = peaks[precision], rate <= peak {
        fractions[precision] = rate / peak
      } else {
        let peak = peaks[precision].map { "\($0)" } ?? "missing"
        reader.problems.add(
          "the measured \(precision.rawValue) rate is \(rate) and the peak under 'compute' is "
            + "\(peak); a measured rate is a part of a peak",
          at: measured.reader.location(of: precision.rawValue))
      }
    }
    measured.finish()
    return fractions
  }

  private func memoryFraction(of peak: Bandwidth?) -> Double? {
    let measured: Bandwidth? = optionalQuantity("measured-bandwidth")
    let fraction = optionalNumber("memory-fraction", in: 0.001...1)
    guard let measured, let peak else { return fraction }
    let place = reader.location(of: "measured-bandwidth")
    if fraction != nil {
      reader.problems.add(
        "'measured-bandwidth' and 'memory-fraction' say the same thing; keep one", at: place)
    }
    if measured > peak {
      reader.problems.add(
        "'measured-bandwidth' is \(measured), more than the peak \(peak)", at: place)
    }
    return measured / peak
  }
}

/// A device whose efficiency may still lack what a relative lends.
struct DeviceDraft {
  var device: Device
  var efficiency: EfficiencyDraft
  /// Where ``Device/unitsLike`` stands.
  var unitsLike: Location?

  /// Lends fractions along `like` until nothing is missing.
  static func resolved(_ drafts: [DeviceDraft], _ problems: ProblemCollector) -> [Device] {
    let byName = Dictionary(drafts.map { ($0.device.name, $0) }, uniquingKeysWith: { a, _ in a })
    return drafts.compactMap { draft in
      if let name = draft.device.unitsLike, let location = draft.unitsLike, byName[name] == nil {
        problems.add(
          HardwareError.unknown(name, kind: "device", among: Array(byName.keys)).sentence,
          at: location)
      }
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
