import Hardware
import Models
import Serving
import StrictYAML

/// Reads a scenario file, format version 1:
///
/// ```yaml
/// switchyard: 1
/// name: DeepSeek-V2-Lite, decode, one DGX H100
/// catalogue: [my-devices.yaml]          # optional: files beside the catalogue that ships
/// model: deepseek-v2-lite               # or a path, or the architecture itself
/// cluster: {nodes: 1 x dgx-h100}
/// fabric: {topology: rail-optimised}    # optional
/// precision: {weights: bf16, activations: bf16, kv-cache: bf16}
/// parallelism: {attention: {data: 8}, experts: {expert: 8}}
/// workload:
///   routing: {trace: ../traces/example.routing, phase: decode}
///   batch: 128                          # sequences of each attention group
///   context: 2048 tokens
/// policies: {placement: contiguous}     # a word, or a mapping whose `kind` is that word
/// measure: {warmup: 5 iterations, iterations: 50}
/// seed: 1
/// ```
///
/// Each section is a file of this folder. A section that is wrong adds its problems to the collector
/// and yields nil; the others are read nevertheless, and what can be held to each other is.
struct ScenarioReader {
  let document: ScenarioDocument
  let problems: ProblemCollector
  let root: MappingReader
  /// What is read once for many scenarios, and only as far as closed forms need it; nil where a
  /// scenario is to be run.
  let library: ScenarioLibrary?

  init(
    _ document: ScenarioDocument, _ problems: ProblemCollector, _ library: ScenarioLibrary? = nil
  ) {
    self.document = document
    self.problems = problems
    self.library = library
    root = MappingReader(document.value, problems, context: "a scenario")
  }

  func scenario(seed givenSeed: UInt64?) -> Scenario? {
    _ = root.required("switchyard", example: "1")  // held to the version file by file
    let name = root.text("name", example: "DeepSeek-V2-Lite, decode, one DGX H100")
    let catalogues = catalogues()
    let model = model(catalogues.models)
    let cluster = cluster(catalogues.hardware)
    let precisions = precisions(for: cluster?.device)
    let fabric = fabric(devices: cluster?.deviceCount)
    let parallelism = parallelism(cluster: cluster, model: model?.architecture)
    var workload = workload()
    let policies = policies()
    let measurement = measurement()
    let seed = root.integer("seed", in: 0...Int.max, default: 1)
    root.finish()

    checkEffect(workload, policies?.routing?.value)
    checkEffect(workload, policies?.batching?.value, model?.architecture)
    let found = deployment(
      model?.architecture, cluster, fabric, precisions, parallelism, policies, catalogues.hardware)
    let deployment = found?.deployment
    var largest: (sequences: Int, limit: String)?
    if let deployment, let draft = workload, draft.takesLargestBatch {
      largest = largestBatch(draft, deployment, policies)
      workload?.batch = largest?.sequences
    }
    let trace = trace(
      workload, for: model?.architecture, groups: parallelism?.attention.data, measurement,
      seed: givenSeed ?? seed.map { UInt64($0) })
    guard let name, let model, let measurement, let seed, let deployment, let policies,
      let routing = policies.routing, let batching = policies.batching, let trace,
      let phase = workload?.phase,
      let batch = workload?.batch, let context = workload?.context
    else { return nil }
    var resolved = Workload(
      trace: trace, phase: phase, batch: batch, context: context, routing: routing.value,
      batching: batching.value, speculation: workload?.speculation)
    resolved.requests = workload?.requests
    resolved.source = workload?.source ?? 0
    do { try resolved.check(deployment) } catch {
      problems.add(error.sentence, at: place(of: error))
      return nil
    }
    guard let communication = policies.communication, let placement = policies.placement,
      checkEffect(of: communication.value, placement.value, deployment, resolved),
      checkSize(deployment, resolved), checkMemory(deployment, resolved),
      checkBlocks(deployment, resolved)
    else { return nil }
    let scenario = Scenario(
      name: name, document: document, deployment: deployment, workload: resolved,
      measurement: measurement, seed: givenSeed ?? UInt64(seed),
      policies: policies.choices(deployment.exchange),
      replicaChoice: placement.value.replicaChoice,
      remarksOfPlacement: found?.remarksOfPlacement ?? [],
      remarks: largest.map {
        ["the largest batch has \($0.sequences) sequences of each group; of one more: \($0.limit)"]
      } ?? [])
    // Closed forms take experts as they begin.
    guard library == nil else { return predictable(scenario, placement.value) }
    guard let placed = placed(scenario, by: placement.value)
    else { return nil }
    return placed.remarking(
      remarks(
        model, placed.deployment, placed.workload, measurement,
        isDrawn: workload?.isDrawn ?? false))
  }

  private func predictable(_ scenario: Scenario, _ placement: PlacementPolicy?) -> Scenario {
    var remarks: [String] = []
    if !scenario.deployment.fabric.changes.isEmpty {
      remarks.append(
        "what 'fabric.changes' changes is left to runs: the machine is predicted whole")
    }
    if scenario.workload.requests?.count != nil {
      remarks.append(
        "'requests' counts in stage 2 only: the bound is of a machine that is kept busy")
    }
    guard case .chosen = placement else { return scenario.remarking(remarks) }
    return scenario.remarking(
      remarks + [
        "the placement that is asked for is chosen when the scenario runs: predicted with experts in a "
          + "row"
      ])
  }

  private func remarks(
    _ model: ResolvedModel, _ deployment: Deployment, _ workload: Workload,
    _ measurement: Serving.Measurement, isDrawn: Bool
  ) -> [String] {
    var remarks = deployment.cluster.node.remarks + model.remarks
    let kernels = KernelCostModel(
      deployment.cluster.device, for: deployment.precisions, experts: deployment.expertLayout)
    let families = deployment.model.kernelFamilies(in: workload.phase)
    for remark in kernels.remarks(for: deployment.precisions.arithmetic, families: families)
    where !remarks.contains(remark) {
      remarks.append(remark)
    }
    remarks += deployment.outsideMeasured(workload).remarks
    let companion = deployment.execution.usesCompanion ? deployment.cluster.node.companion : nil
    let others = companion.map {
      KernelCostModel($0.processor).remarks(for: deployment.precisions.arithmetic) + $0.remarks
    }
    for remark in others ?? [] where !remarks.contains(remark) { remarks.append(remark) }
    if deployment.execution.streamed != nil, deployment.execution.attention == .companion,
      let companion
    {
      remarks.append(
        "uncalibrated: attention on \(companion.processor.name) is a roofline; its kernels were not "
          + "measured")
    }
    if deployment.model.encoderLayers > 0 {
      remarks.append(
        "the projection of the encoder's output to the decoder's keys and values is not counted")
    }
    if workload.requests != nil, workload.trace.prefillTokens == 0 {
      remarks.append("the trace has no prompts: decoded tokens stand for them")
    }
    if let requests = workload.requests, measurement.iterations < requests.output {
      remarks.append(
        "\(measurement.iterations) iterations are measured, and a request takes \(requests.output) at "
          + "least: what part of them are prompts need not be a long run's")
    }
    for remark in deployment.protocols.remarks where !remarks.contains(remark) {
      remarks.append(remark)
    }
    if workload.routing == .uniform {
      remarks.append("uniform routing: the trace's selections were replaced by random ones")
    }
    if workload.trace.origin == .synthetic {
      // The program's own provenance begins with the same word.
      let provenance = workload.trace.provenance.trimmingPrefix("synthetic: ")
      remarks.append("the trace is synthetic: \(provenance)")
    }
    if let speculation = workload.speculation {
      remarks += speculationRemarks(deployment.model, speculation)
    }
    let groups = deployment.parallelism.attention.data
    let traced = workload.trace.sequenceCount(of: workload.phase)
    if workload.batch * groups > traced {
      remarks.append(
        "sequences are drawn with replacement: the trace has \(traced) with \(workload.phase) "
          + "tokens, the batch needs \(workload.batch * groups)")
    }
    remarks += reuseRemarks(workload, groups: groups, measurement, isDrawn: isDrawn)
    if !root.has("parallelism") {
      remarks.append(
        "parallelism was not given: attention is data-parallel and experts are expert-parallel "
          + "over all \(deployment.cluster.deviceCount) devices")
    }
    return remarks
  }
}

extension ScenarioReader {
  /// Whether recorded tokens stand for more than one, and prompts are put together.
  private func reuseRemarks(
    _ workload: Workload, groups: Int, _ measurement: Serving.Measurement, isDrawn: Bool
  ) -> [String] {
    var remarks: [String] = []
    let trace = workload.trace
    let origin = isDrawn ? "drawn" : "recorded"
    let isPrefill = workload.phase == .prefill
    let recorded = isPrefill ? trace.prefillTokens : trace.decodeTokens
    let iterations = measurement.warmup + measurement.iterations
    let needed = workload.tokensPerGroup * groups * iterations
    if needed > recorded {
      remarks.append(
        "\(origin) tokens are replayed more than once: the run takes \(needed), the trace has "
          + "\(recorded) \(workload.phase) tokens")
    }
    let prompts = max(1, trace.sequenceCount(of: .prefill))
    let mean = trace.prefillTokens / prompts
    // Where the trace has no prompts decoded tokens stand for them, which is said.
    let beginning = trace.prefillTokens > 0 ? workload.requests?.prompt : nil
    if let prompt = isPrefill ? workload.context : beginning, prompt > mean {
      remarks.append(
        "a prompt of \(prompt) tokens is put together from \(origin) ones of \(mean) on "
          + "average")
    }
    return remarks
  }
}

extension ScenarioReader {
  /// The place of the value at a path of keys, or of the deepest key on the way that is there.
  func place(_ path: String...) -> Location {
    var value = document.value
    for key in path {
      guard let inner = value[key] else { break }
      value = inner
    }
    return value.location
  }

  /// A section that must be there and be a mapping.
  func section(_ key: String, of reader: MappingReader, example: String) -> MappingReader? {
    reader.required(key, example: example).flatMap { section(key, $0, example: example) }
  }

  func optionalSection(_ key: String, of reader: MappingReader, example: String) -> MappingReader? {
    reader.optional(key).flatMap { section(key, $0, example: example) }
  }

  private func section(_ key: String, _ value: Value, example: String) -> MappingReader? {
    guard case .mapping = value.content else {
      problems.add(
        "'\(key)' is a mapping, not \(value.kindName); write it like '\(key): \(example)'",
        at: value.location)
      return nil
    }
    return MappingReader(value, problems)
  }
}
