import Units

extension RunResult {
  /// What a person wants to know first, as plain text of at most about 100 columns.
  ///
  /// - Parameter allLayers: Lists the load of every layer instead of the mean and the worst.
  public func summaryText(allLayers: Bool = false) -> String {
    var sections = [heading, throughputText, stageText]
    if let imbalance = loadImbalance { sections.append(imbalanceText(imbalance, allLayers)) }
    if let duplicates { sections.append(text(of: duplicates)) }
    if !resources.isEmpty { sections.append(utilisationText) }
    if !linksByUtilisation.isEmpty { sections.append(linksText) }
    sections.append(energyText)
    if let bound { sections.append(text(of: bound)) }
    if !notes.isEmpty { sections.append(notesText) }
    return sections.joined(separator: "\n")
  }

  /// What a reader must know before trusting the numbers: the description's remarks, and that the
  /// trace was made up where it was.
  public var notes: [String] {
    (description.traceIsSynthetic
      ? ["synthetic trace: the expert selections were generated, not recorded"] : [])
      + description.remarks
  }

  /// So many links are listed where many carry something.
  static let hottestLinks = 5
  /// Below this it may be that ends of tasks are rounded up to a picosecond.
  private static let leastWaiting = Seconds(1e-9)

  private var heading: String {
    var facts: [String] = []
    if !description.model.isEmpty { facts.append(description.model) }
    if !description.cluster.isEmpty { facts.append(description.cluster) }
    facts.append(count(description.deviceCount, "device"))
    var work: [String] = []
    if !description.phase.isEmpty { work.append(description.phase) }
    if description.sequences > 0 { work.append(count(description.sequences, "sequence")) }
    if let context = description.context { work.append("context of \(context)") }
    if !description.trace.isEmpty { work.append("trace \(description.trace)") }
    let measured =
      "\(count(iterations.count, "iteration")) measured after \(description.warmupIterations) of"
      + " warm-up; seed \(description.seed); version \(description.programVersion)"
    return [
      description.name, facts.joined(separator: ", "), work.joined(separator: ", "), measured,
    ]
    .filter { !$0.isEmpty }.map { $0 + "\n" }.joined()
  }

  private var throughputText: String {
    let times = iterationTimes
    var table = TextTable([.left(""), .left("")])
    table.add("throughput", "\(throughput), \(throughputPerDevice) per device")
    if let bound, let fraction = fractionOfBound {
      table.add(
        "bound", "\(bound.throughput) by \(bound.boundBy); \(percent(fraction)) of it reached")
    }
    table.add(
      "iteration",
      "mean \(times.mean), median \(times.median), p99 \(times.percentile99),"
        + " \(times.minimum) to \(times.maximum)")
    table.add("tokens", "\(tokens) in \(measuredTime)")
    return table.description
  }

  private var stageText: String {
    var table = TextTable([
      .left("time per iteration"), .right("mean device"), .right("share"),
      .right("slowest device"), .right("waited for it"), .left("bound by"),
    ])
    for stage in stages where stage.tasks > 0 || stage.stage == description.waitingStage {
      let runs = Double(iterations.count)
      table.add(
        "  " + description.stagesAndWaiting[stage.stage].name, "\(timePerIteration(of: stage))",
        percent(share(of: stage)), "\(stage.maxDeviceTime / runs)",
        stage.meanWaitBefore > .zero ? "\(stage.meanWaitBefore / runs)" : "",
        boundText(stage.stage))
    }
    table.add("  iteration", "\(iterationTimes.mean)", percent(1))
    return table.description
  }

  /// The two largest, with shares unless the first is all.
  private func boundText(_ stage: Int) -> String {
    let all = bounds(ofStage: stage)
    if let only = all.first, only.share > 0.995 { return only.name }
    return all.prefix(2).map { "\($0.name) \(fixed($0.share * 100, decimals: 0)) %" }
      .joined(separator: ", ")
  }

  private func imbalanceText(_ imbalance: LoadImbalance, _ allLayers: Bool) -> String {
    let (layer, moment) = (imbalance.worstLayer, imbalance.worstMoment)
    var text = "load of the most loaded device over the mean device's\n"
    var table = TextTable([.left(""), .right(""), .left("")], indent: 2)
    table.add(
      "mean", ratio(imbalance.mean), "over \(count(loads.count, "layer")) with experts")
    table.add("worst layer", ratio(layer.meanImbalance), "layer \(layer.layer)")
    table.add(
      "worst moment", ratio(moment.worstImbalance),
      "layer \(moment.layer), iteration \(moment.worstIteration)")
    text += table.description
    guard allLayers else { return text }
    var layers = TextTable(
      [.right("layer"), .right("mean"), .right("worst"), .right("in iteration"), .right("tokens")],
      indent: 2)
    for load in loads {
      layers.add(
        "\(load.layer)", ratio(load.meanImbalance), ratio(load.worstImbalance),
        "\(load.worstIteration)", "\(load.tokens.reduce(0, +))")
    }
    return text + layers.description
  }

  private func text(of duplicates: DuplicateUse) -> String {
    let runs = Double(iterations.count)
    var table = TextTable([.left("experts of others, per iteration"), .right("")])
    func add(_ name: String, _ count: Int) {
      table.add("  " + name, fixed(Double(count) / runs, decimals: 1))
    }
    add("computed away from their holders", duplicates.needed)
    add("with weights from a duplicate", duplicates.found)
    if let share = duplicates.foundShare { table.add("  share", percent(share)) }
    return table.description
  }

  private var utilisationText: String {
    var table = TextTable([
      .left("utilisation"), .right("resources"), .right("mean"), .right("highest"), .left("where"),
    ])
    for kind in utilisationByKind {
      table.add(
        "  " + kind.kind, "\(kind.count)", percent(kind.mean), percent(kind.maximum), kind.busiest)
    }
    return table.description
  }

  private var linksText: String {
    let links = linksByUtilisation
    let runs = Double(iterations.count)
    var table = TextTable([
      .left("hottest links, per iteration"), .right("carried"), .right("utilisation"),
      .right("busy"), .right("waited"),
    ])
    for link in links.prefix(Self.hottestLinks) {
      table.add(
        "  " + description.resources[link.resource].name, "\(Bytes(link.served) / runs)",
        percent(link.utilisation), percent(busyShare(of: link)),
        link.waited / runs > Self.leastWaiting ? "\(link.waited / runs)" : "")
    }
    let others = links.count - table.rows.count
    guard others > 0 else { return table.description }
    return table.description + "  and \(count(others, "other link")) in use\n"
  }

  private func text(of bound: RunBound) -> String {
    var table = TextTable([
      .left("one per cent more would give"), .right("at the bound"), .right("operators in turn"),
      .right("critical path"),
    ])
    func gain(_ value: Double) -> String { fixed(value, decimals: 2) + " %" }
    for roof in bound.roofs {
      table.add(
        "  " + roof.resource, gain(roof.elasticityOfBound), gain(roof.elasticityInTurn),
        criticalShare(of: roof).map(gain) ?? "")
    }
    return table.description + boundRemarks.map { wrapped($0) }.joined()
  }

  private var energyText: String {
    guard totalEnergy > .zero else { return "energy  not known for these devices\n" }
    var table = TextTable([.left("energy"), .right("per token"), .right("share")])
    func add(_ name: String, _ energy: Joules) {
      let perToken = tokens > 0 ? "\(energy / Double(tokens))" : ""
      table.add("  " + name, perToken, percent(energy / totalEnergy))
    }
    for stage in stages where stage.energy > .zero {
      add(description.stagesAndWaiting[stage.stage].name, stage.energy)
    }
    add("idle power", idleEnergy)
    add("all", totalEnergy)
    return table.description
  }

  private var notesText: String {
    "remarks\n" + notes.map { "  - \($0)\n" }.joined()
  }
}

private func percent(_ share: Double) -> String { fixed(share * 100, decimals: 1) + " %" }

private func ratio(_ value: Double) -> String { fixed(value, decimals: 2) }

private func count(_ number: Int, _ noun: String) -> String {
  "\(number) \(noun)\(number == 1 ? "" : "s")"
}
