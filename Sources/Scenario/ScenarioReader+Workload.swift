import Models
import Serving
import StrictYAML
import Traces
import Units

/// What `workload` says, before its trace is opened or drawn; nil where something is wrong or missing.
struct WorkloadDraft {
  enum Selections {
    /// A path from where the program stands, and the place that names it.
    case recorded(path: String, place: Location)
    case drawn(SelectionLaw, place: Location)
  }

  var selections: Selections?
  var phase: Phase?
  var phasePlace: Location
  var batch: Int?
  /// Whether `batch` is `largest`: what fits is known when the deployment is.
  var takesLargestBatch = false
  var context: Int?
  var speculation: Speculation?
  var requests: RequestLengths?
  /// Of the encoder's output; nil where nothing is said.
  var source: Int?

  var isDrawn: Bool { if case .drawn = selections { true } else { false } }
}

/// `workload: {routing: {trace: PATH, phase: decode}, batch: 128, context: 2048 tokens}`, or
/// `drawn: uniform` or `drawn: {kind: zipf, exponent: 0.8}` in place of the trace.
extension ScenarioReader {
  /// Nothing is simulated with more tokens in an iteration.
  static let mostTokens = 1_000_000_000
  /// Of each attention group.
  static let mostSequences = 1_000_000
  /// A law as steep as this always chooses the same experts.
  static let steepestExponent = 8.0

  func workload() -> WorkloadDraft? {
    let routingExample = "{trace: ../traces/example.routing, phase: decode}"
    let example = "{routing: \(routingExample), batch: 128, context: 2048 tokens}"
    guard let reader = section("workload", of: root, example: example) else { return nil }
    let routing = section("routing", of: reader, example: routingExample)
    let selections = routing.flatMap(selections)
    let requests = requests(reader, routing)
    let isOfRequests = reader.has("prompt") || reader.has("output")
    if !isOfRequests, let count = reader.optional("requests") {
      problems.add(
        "'requests' has no effect without 'prompt' and 'output', which say what a request has",
        at: count.location)
    }
    let phase = isOfRequests ? .decode : routing?.word("phase", Phase.self)
    routing?.finish()
    let takesLargestBatch = reader.optional("batch")?.isWord("largest") ?? false
    let batch = takesLargestBatch ? nil : reader.integer("batch", in: 1...Self.mostSequences)
    let context =
      isOfRequests
      ? requests.map { $0.prompt + $0.output }
      : reader.required("context", example: "2048 tokens").flatMap { wholeTokens("context", $0) }
    let speculation = speculation(reader, phase: phase)
    let source = reader.optional("source").flatMap { wholeTokens("source", $0) }
    reader.finish()
    var draft = WorkloadDraft(
      selections: selections, phase: phase, phasePlace: place("workload", "routing", "phase"),
      batch: batch, context: context, speculation: speculation)
    draft.takesLargestBatch = takesLargestBatch
    draft.requests = requests
    draft.source = source
    return draft
  }

  /// `prompt: 256 tokens, output: 256 tokens`, and `requests: 25000` where they are counted, in place of
  /// `context` and of the routing's `phase`.
  private func requests(
    _ reader: MappingReader, _ routing: MappingReader?
  ) -> RequestLengths? {
    guard reader.has("prompt") || reader.has("output") else { return nil }
    let prompt = reader.required("prompt", example: "256 tokens")
      .flatMap { wholeTokens("prompt", $0) }
    let output = reader.required("output", example: "256 tokens")
      .flatMap { wholeTokens("output", $0) }
    let count = reader.optionalInteger("requests", in: 1...100_000_000)
    if reader.has("requests"), count == nil { return nil }
    for (key, section) in [("context", reader), ("phase", routing)] {
      guard let section, let value = section.optional(key) else { continue }
      problems.add(
        "'\(key)' has no effect beside 'prompt' and 'output', which say what a request has",
        at: value.location)
    }
    guard let prompt, let output else { return nil }
    return RequestLengths(prompt: prompt, output: output, count: count)
  }

  /// Holds requests to the batching, and the encoder's output to the model.
  func checkEffect(
    _ draft: WorkloadDraft?, _ batching: Batching?, _ model: ModelArchitecture?
  ) {
    guard let draft else { return }
    if let batching {
      // An encoder-decoder model cannot have requests at all, which is told below.
      if draft.requests != nil, batching.admission == .static, (model?.encoderLayers ?? 0) == 0 {
        problems.add(
          "'prompt' and 'output' need 'policies.batching: continuous', 'prompts-first' or 'together'; "
            + "with 'static' no request begins or ends", at: place("workload", "prompt"))
      }
      if draft.requests == nil, draft.context != nil, batching.admission != .static {
        problems.add(
          "batching '\(batching.admission.rawValue)' has no effect without 'workload.prompt' and "
            + "'workload.output': no request begins or ends", at: place("policies", "batching"))
      }
    }
    guard let model, let phase = draft.phase else { return }
    if model.encoderLayers == 0 || phase == .prefill {
      if draft.source != nil {
        problems.add(
          "'source' has no effect: it is what a decoder attends to of an encoder's output",
          at: place("workload", "source"))
      }
      return
    }
    if draft.requests != nil {
      problems.add(
        "'\(model.name)' is an encoder-decoder model: its prompts and its decoded tokens go "
          + "through different layers, so give 'phase' and 'context'",
        at: place("workload", "prompt"))
    } else if document.value["workload"]?["source"] == nil {
      problems.add(
        "'\(model.name)' decodes with attention to an encoder's output; write how long that is, "
          + "like 'source: 512 tokens'", at: place("workload"))
    }
  }

  /// What `batch: largest` is. Nil where something is wrong or missing.
  func largestBatch(
    _ draft: WorkloadDraft, _ deployment: Deployment, _ policies: Policies?
  ) -> (sequences: Int, limit: String)? {
    guard let phase = draft.phase, let context = draft.context,
      let routing = policies?.routing?.value, let batching = policies?.batching?.value
    else { return nil }
    let (trace, filled): (RoutingTrace, Deployment)
    do {
      // Copies that are chosen later take their room now.
      filled =
        try policies?.placement?.value.chosenCopies.map { copies in
          try deployment.placing(
            .roundRobin(
              layers: deployment.placement.layers, experts: deployment.placement.experts,
              groups: deployment.placement.groups - copies.sharedRanks, redundant: copies.redundant
            ).behind(sharedGroups: copies.sharedRanks))
        } ?? deployment
      // A workload has one, and what fits depends on none.
      trace =
        try library?.trace(drawing: .uniform, for: deployment.model, phase: phase)
        ?? RoutingSample.trace(drawing: .uniform, for: deployment.model, phase: phase)
    } catch {
      problems.add("\(error)", at: place("workload", "batch"))
      return nil
    }
    var workload = Workload(
      trace: trace, phase: phase, batch: 1, context: context, routing: routing,
      batching: batching, speculation: draft.speculation)
    workload.requests = draft.requests
    workload.source = draft.source ?? 0
    let each = max(1, workload.mostTokensPerGroup * deployment.parallelism.attention.data)
    return workload.largestBatch(
      on: filled, most: min(Self.mostSequences, Self.mostTokens / each))
  }

  private func selections(_ routing: MappingReader) -> WorkloadDraft.Selections? {
    let (trace, drawn) = (routing.optional("trace"), routing.optional("drawn"))
    switch (trace, drawn) {
    case (let trace?, nil):
      return trace.text("trace", problems).map {
        .recorded(path: document.resolve($0, writtenAt: trace.location), place: trace.location)
      }
    case (nil, let drawn?):
      return law(drawn).map { .drawn($0, place: drawn.location) }
    case (_?, _?):
      problems.add(
        "'drawn' and 'trace' stand together; selections are recorded or drawn, keep one",
        at: routing.location(of: "drawn"))
    case (nil, nil):
      guard case .mapping = routing.value.content else { break }
      problems.add(
        "'trace' is missing; write it like 'trace: ../traces/example.routing', or 'drawn: uniform' "
          + "for selections that nobody recorded", at: routing.location)
    }
    return nil
  }

  private func law(_ value: Value) -> SelectionLaw? {
    guard let reader = PolicyReader<DrawnKind>("drawn", value, problems) else { return nil }
    defer { reader.finish() }
    switch reader.kind {
    case .uniform: return .uniform
    case .zipf:
      guard let mapping = reader.mapping, mapping.has("exponent") else {
        problems.add(
          "'exponent' is missing; write it like 'drawn: {kind: zipf, exponent: 0.8}'",
          at: value.location)
        return nil
      }
      return mapping.number("exponent", in: 0...Self.steepestExponent).flatMap { exponent in
        guard exponent > 0 else {
          problems.add(
            "'exponent' is 0, which makes all experts alike; write 'drawn: uniform'",
            at: mapping.location(of: "exponent"))
          return nil
        }
        return .zipf(exponent: exponent)
      }
    }
  }

  /// Refuses to make selections uniform that are.
  func checkEffect(_ draft: WorkloadDraft?, _ routing: RoutingPolicy?) {
    guard case .drawn(.uniform, _)? = draft?.selections, routing == .uniform else { return }
    problems.add(
      "routing 'uniform' has no effect: 'drawn: uniform' draws such selections already",
      at: place("policies", "routing"))
  }

  func wholeTokens(_ key: String, _ value: Value) -> Int? {
    guard let tokens = value.quantity(key, Token.self, problems) else { return nil }
    guard tokens.value <= 1e8, tokens.value == tokens.value.rounded() else {
      problems.add(
        "'\(key)' is \(value.kindName); it must be a whole number from 1 to 100000000 tokens",
        at: value.location)
      return nil
    }
    return Int(tokens.value)
  }

  /// Whether an iteration has a number of tokens that can be simulated.
  func checkSize(_ deployment: Deployment, _ workload: Workload) -> Bool {
    let groups = deployment.parallelism.attention.data
    let (tokens, isTooMany) = workload.mostTokensPerGroup.multipliedReportingOverflow(by: groups)
    guard isTooMany || tokens > Self.mostTokens else { return true }
    let found = isTooMany ? "more than 2^63" : "\(tokens)"
    problems.add(
      "an iteration would have \(found) new tokens; at most \(Self.mostTokens) can be simulated",
      at: place("workload", "batch"))
    return false
  }
}

extension ScenarioReader {
  /// What is replayed: the trace, held to the model and the phase where they are known, or selections
  /// drawn for the model. Nothing is drawn where the scenario has a mistake.
  func trace(
    _ draft: WorkloadDraft?, for model: ModelArchitecture?, groups: Int?,
    _ measurement: Serving.Measurement?, seed: UInt64?
  ) -> RoutingTrace? {
    switch draft?.selections {
    case nil: return nil
    case .recorded(let path, let place)?:
      return draft?.openedTrace(path, place, for: model, problems, library)
    case .drawn(let law, let place)?:
      guard problems.isEmpty, let model, let groups, let measurement, let seed,
        let phase = draft?.phase, let batch = draft?.batch, let tokens = draft?.tokensEach
      else { return nil }
      do {
        if let library { return try library.trace(drawing: law, for: model, phase: phase) }
        return try RoutingTrace(
          drawing: law, for: model, phase: phase, sequences: batch * groups,
          tokensEach: tokens, measurement: measurement, seed: seed)
      } catch {
        problems.add(error.sentence, at: place)
        return nil
      }
    }
  }
}

extension WorkloadDraft {
  /// New tokens of a sequence in an iteration; of requests the mean, rounded up.
  fileprivate var tokensEach: Int? {
    if let requests { return 1 + (requests.prompt + requests.output - 1) / requests.output }
    return phase == .prefill ? context : 1 + (speculation?.tokens ?? 0)
  }

  fileprivate func openedTrace(
    _ path: String, _ place: Location, for model: ModelArchitecture?, _ problems: ProblemCollector,
    _ library: ScenarioLibrary?
  ) -> RoutingTrace? {
    let found: RoutingTrace
    do {
      if let library {
        found = try library.trace(path)
      } else {
        found = try RoutingTrace(reading: path)
      }
    } catch {
      problems.add(error.sentence, at: place)
      return nil
    }
    if let mismatch = model.flatMap({ found.mismatch(with: $0) }) {
      problems.add(mismatch, at: place)
      return nil
    }
    if let phase, found.sequenceCount(of: phase) == 0 {
      let other = phase == .decode ? Phase.prefill : .decode
      let error = ServingError.noTokens(phase: phase.rawValue, file: found.file)
      problems.add("\(error.sentence), only \(other.rawValue) tokens", at: phasePlace)
      return nil
    }
    return found
  }
}

extension RoutingTrace {
  /// Why a trace cannot be of the model, if so.
  fileprivate func mismatch(with model: ModelArchitecture) -> String? {
    let layers = model.expertLayers
    do {
      try check(
        layers: layers.count, experts: model.experts.count, topK: model.experts.topK,
        for: model.name)
    } catch {
      return error.sentence
    }
    guard shape.layerIDs != layers else { return nil }
    return "\(file): a trace of another model: its selections are of layers "
      + "\(spelled(shape.layerIDs)) (\(shape.model)), but experts are wanted in layers "
      + "\(spelled(layers)) (\(model.name))"
  }
}

/// Layer numbers for people: `1 to 26`, `1, 3, 5 ... 47`.
private func spelled(_ layers: [Int]) -> String {
  guard let first = layers.first, let last = layers.last, layers.count > 2 else {
    return layers.map(String.init).joined(separator: ", ")
  }
  if layers == Array(first...max(first, last)) { return "\(first) to \(last)" }
  let begin = layers.prefix(3).map(String.init).joined(separator: ", ")
  return layers.count == 3 ? begin : "\(begin) ... \(last)"
}

/// How selections are drawn.
private enum DrawnKind: String, PolicyKind {
  case uniform
  case zipf

  var keys: [String] { self == .zipf ? ["exponent"] : [] }
}
