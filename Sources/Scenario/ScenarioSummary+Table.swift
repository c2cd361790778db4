import Units

extension ScenarioSummary {
  /// Plain text: a name, then lines of a label and what it says.
  public var table: String {
    var rows: [(label: String, lines: [String])] = [
      ("file", [file]),
      ("model", [modelLine]),
      ("cluster", [clusterLine]),
      (
        "precision",
        [
          "weights \(precision.weights), activations \(precision.activations), "
            + "KV cache \(precision.kvCache)"
        ]
      ),
      (
        "parallelism",
        [
          "attention: data \(parallelism.attentionData) x tensor \(parallelism.attentionTensor); "
            + "experts: expert \(parallelism.expertsExpert) x tensor \(parallelism.expertsTensor)"
        ]
      ),
      ("placement", [placementLine]),
      ("memory", memoryLines),
      ("companion", companionLines),
      ("trace", traceLines),
      ("workload", workloadLines),
      ("policies", policyLines),
      ("measure", [measureLine]),
      ("seed", ["\(seed)"]),
    ]
    if !remarks.isEmpty { rows.append(("remarks", remarks.map { "- \($0)" })) }
    return scenario + "\n\n" + rows.filter { !$0.lines.isEmpty }.map(Self.row).joined()
  }

  private static func row(_ label: String, _ lines: [String]) -> String {
    lines.enumerated().map { index, line in
      (index == 0 ? label : "").padded(to: 13) + line + "\n"
    }.joined()
  }

  private var modelLine: String {
    let shared = model.sharedExperts == 0 ? "" : " and \(model.sharedExperts) shared"
    return "\(model.name): \(billions(model.parameters)) parameters, "
      + "\(billions(model.activeParameters)) active; \(model.layers) layers, "
      + "\(model.expertLayers) with \(model.experts) experts, top-\(model.topK)\(shared)"
  }

  private var clusterLine: String {
    let part =
      cluster.devicesPerNode == cluster.nodeDevices
      ? "" : " (\(cluster.devicesPerNode) of \(cluster.nodeDevices) in a node)"
    return "\(cluster.nodes) x \(cluster.node): \(cluster.devices) x \(cluster.device)\(part), "
      + cluster.deviceFullName
  }

  private var placementLine: String {
    let unit = parallelism.expertsTensor == 1 ? "device" : "group of \(parallelism.expertsTensor)"
    let choice = policies.first { $0.slot == "placement" }?.choice ?? ""
    let spread =
      placement.mostCopiesOnGroup == placement.fewestCopiesOnGroup
      ? "\(placement.mostCopiesOnGroup)"
      : "\(placement.fewestCopiesOnGroup) to \(placement.mostCopiesOnGroup)"
    return "\(choice); \(spread) experts of all layers on each \(unit)"
  }

  private var memoryLines: [String] {
    let share = fixed(100 * memory.totalBytes / memory.capacityBytes, decimals: 1)
    let first =
      "\(Bytes(memory.totalBytes)) of \(Bytes(memory.capacityBytes)) (\(share) %) on the fullest "
      + "device, \(memory.device)"
    let names = memory.parts.map(\.name.count).max() ?? 0
    let amounts = memory.parts.map { "\(Bytes($0.bytes))" }
    let width = amounts.map(\.count).max() ?? 0
    return [first]
      + zip(memory.parts, amounts).map { part, amount in
        "  " + part.name.padded(to: names + 2)
          + String(repeating: " ", count: width - amount.count) + amount + "  = \(part.arithmetic)"
      }
  }

  private var companionLines: [String] {
    guard let companion else { return [] }
    let name = "\(companion.name) beside each device, \(companion.fullName)"
    guard companion.isUsed else { return [name, "unused"] }
    guard !companion.usesDeviceMemory else { return [name, "works on the device's memory"] }
    let share = fixed(100 * companion.totalBytes / companion.capacityBytes, decimals: 1)
    return [
      name,
      "\(Bytes(companion.totalBytes)) of \(Bytes(companion.capacityBytes)) (\(share) %) beside "
        + "device \(companion.device), the fullest",
      "  experts  \(Bytes(companion.expertBytes * Double(companion.expertCopies)))  = "
        + "\(companion.expertCopies) copies x \(Bytes(companion.expertBytes))",
    ]
      + (companion.otherWeightBytes > 0
        ? ["  other weights  \(Bytes(companion.otherWeightBytes))"] : [])
      + (companion.cacheBytes > 0 ? ["  KV cache  \(Bytes(companion.cacheBytes))"] : [])
  }

  private var traceLines: [String] {
    [
      "\(trace.file) (\(trace.origin), of \(trace.model))",
      "\(trace.tokens) tokens (\(trace.prefillTokens) prefill, \(trace.decodeTokens) decode) in "
        + "\(trace.sequences) sequences",
      trace.provenance.split(whereSeparator: \.isNewline).joined(separator: " "),
    ]
  }

  private var workloadLines: [String] {
    let groups = parallelism.attentionData
    let drawn =
      workload.drawsWithReplacement
      ? "drawn with replacement from \(workload.tracedSequences) of the trace"
      : "each another of \(workload.tracedSequences) of the trace"
    return [
      workload.promptTokens.map {
        (workload.requests.map { "\($0) " } ?? "")
          + "requests of \($0) prompt tokens and \(workload.contextTokens - $0) generated ones"
      } ?? "\(workload.phase), context \(workload.contextTokens) tokens",
      "\(workload.sequences) sequences = \(workload.batch) x \(groups) attention "
        + (groups == 1 ? "group, " : "groups, ") + drawn,
    ]
      + (workload.promptTokens == nil
        ? ["\(workload.tokensPerIteration) new tokens an iteration"] : [])
  }

  private var measureLine: String {
    "\(measure.warmupIterations) warm-up, \(measure.iterations) counted iterations"
  }

  private var policyLines: [String] {
    let width = policies.map(\.slot.count).max() ?? 0
    return policies.map {
      $0.slot.padded(to: width + 2) + $0.choice + ($0.isDefault ? " (default)" : "")
    }
  }
}

private func billions(_ count: Int) -> String {
  fixed(Double(count) / 1e9, decimals: 2) + " billion"
}

extension String {
  fileprivate func padded(to width: Int) -> String {
    self + String(repeating: " ", count: max(0, width - count))
  }
}
