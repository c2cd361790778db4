import StrictYAML
import Units

extension CatalogueEntry {
  /// One entry of `collectives`, as `switchyard calibrate collectives` writes it.
  func collectiveCost(_ links: [Link], _ problems: ProblemCollector) -> CollectiveCost? {
    let entry = reader(problems, "a collective")
    let library = entry.reader.word("library", CollectiveLibrary.self)
    let operation = entry.reader.word("operation", CollectiveOperation.self)
    let algorithm = entry.reader.word("algorithm", ReductionPlace.self, default: .ranks)
    let scaleUp = entry.link("scale-up", links)
    let scaleOut = entry.reader.has("scale-out") ? entry.link("scale-out", links) : nil
    if scaleOut == nil { _ = entry.reader.optional("scale-out") }
    let terms = entry.collectiveTerms()
    let share = entry.number("share", in: 0.000001...1)
    let range = entry.collectiveRange()
    let fit = entry.collectiveFit()
    entry.finish()
    guard let library, let operation, let algorithm, let scaleUp, let share, let range, let fit,
      var cost = terms
    else { return nil }
    cost.name = name
    cost.library = library
    cost.operation = operation
    cost.algorithm = algorithm
    cost.scaleUp = scaleUp
    cost.scaleOut = scaleOut
    cost.share = share
    cost.range = range
    cost.fit = fit
    cost.facts = entry.facts(of: sources)
    cost.citation = cost.facts.first?.citation ?? ""
    return cost
  }
}

extension SourcedReader {
  fileprivate func link(_ key: String, _ links: [Link]) -> String? {
    guard let name = reader.text(key, example: "nvlink4") else { return nil }
    guard links.contains(where: { $0.name == name }) else {
      reader.problems.add(
        HardwareError.unknown(name, kind: "link", among: links.map(\.name)).sentence,
        at: reader.place(ofValue: key))
      return nil
    }
    return name
  }

  /// The times and bandwidths of the form; what is left out is zero or nil.
  fileprivate func collectiveTerms() -> CollectiveCost? {
    func optionalTime(_ key: String) -> Seconds { optionalQuantity(key) ?? .zero }
    let launch: Seconds? = quantity("launch")
    var cost = CollectiveCost(launch: launch ?? .zero)
    cost.perRank = optionalTime("per-rank")
    cost.perDoubling = optionalTime("per-doubling")
    cost.perExpert = optionalTime("per-expert")
    cost.ramp = optionalTime("ramp")
    cost.copyBandwidth = optionalQuantity("copy-bandwidth")
    if let own = optionalMapping("protocol", context: "'protocol'") {
      cost.protocolBandwidth = own.quantity("bandwidth")
      cost.protocolCeiling = own.quantity("ceiling") ?? .zero
      own.finish()
    }
    if let own = optionalMapping("multiprocessors", context: "'multiprocessors'") {
      cost.copyingBandwidth = own.optionalQuantity("copying")
      cost.stagingBandwidth = own.optionalQuantity("staging")
      own.finish()
    }
    if let own = optionalMapping("network-shares", context: "'network-shares'") {
      for key in own.reader.keys {
        let share = own.number(key, in: 0.000001...1)
        if let nodes = Int(key), nodes > (cost.networkShares.last?.nodes ?? 1) {
          cost.networkShares.append(.init(nodes: nodes, share: share ?? 1))
        } else {
          reader.problems.add(
            "'\(key)' is not a number of nodes; 'network-shares' maps node counts from 2, "
              + "ascending, to shares", at: own.reader.location(of: key))
        }
      }
      own.finish()
    }
    return launch == nil ? nil : cost
  }

  fileprivate func collectiveRange() -> CollectiveCost.Range? {
    guard let own = mapping("range", context: "'range'") else { return nil }
    let least: Bytes? = own.quantity("least-bytes")
    let most: Bytes? = own.quantity("most-bytes")
    let ranks = own.span("ranks")
    let nodes = own.span("nodes")
    own.finish()
    guard let least, let most, let ranks, let nodes else { return nil }
    guard least <= most else {
      reader.problems.add(
        "'least-bytes' is \(least), more than 'most-bytes', \(most)",
        at: own.reader.location(of: "least-bytes"))
      return nil
    }
    return CollectiveCost.Range(bytes: least...most, ranks: ranks, nodes: nodes)
  }

  /// `least-ranks` to `most-ranks`.
  private func span(_ word: String) -> ClosedRange<Int>? {
    guard let least = integer("least-\(word)", in: 1...1_000_000),
      let most = integer("most-\(word)", in: 1...1_000_000)
    else { return nil }
    guard least <= most else {
      reader.problems.add(
        "'least-\(word)' is \(least), more than 'most-\(word)', \(most)",
        at: reader.location(of: "least-\(word)"))
      return nil
    }
    return least...most
  }

  fileprivate func collectiveFit() -> CollectiveCost.Fit? {
    guard let own = mapping("fit", context: "'fit'") else { return nil }
    let date = own.reader.text("date", example: "2026-11-21")
    let rows = own.integer("rows", in: 1...100_000_000)
    let heldOut = own.integer("held-out", in: 0...100_000_000)
    let median = own.number("median", in: 0...1e6)
    let ninetieth = own.number("ninetieth", in: 0...1e6)
    let worst = own.number("worst", in: 0...1e6)
    let heldOutMedian = own.number("held-out-median", in: 0...1e6)
    own.finish()
    guard let date, let rows, let heldOut, let median, let ninetieth, let worst, let heldOutMedian
    else { return nil }
    return CollectiveCost.Fit(
      date: date, rows: rows, heldOut: heldOut, median: median, ninetieth: ninetieth, worst: worst,
      heldOutMedian: heldOutMedian)
  }
}
