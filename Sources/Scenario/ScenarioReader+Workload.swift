import Models
import Serving
import StrictYAML
import Traces
import Units

/// What `workload` says, before its trace is opened; nil where something is wrong or missing.
struct WorkloadDraft {
  /// From where the program stands, and the place that names it.
  var trace: (path: String, place: Location)?
  var phase: Phase?
  var phasePlace: Location
  var batch: Int?
  var context: Int?
}

/// `workload: {routing: {trace: PATH, phase: decode}, batch: 128, context: 2048 tokens}`.
extension ScenarioReader {
  /// Nothing is simulated with more tokens in an iteration.
  static let mostTokens = 1_000_000_000

  func workload() -> WorkloadDraft? {
    let routingExample = "{trace: ../traces/example.routing, phase: decode}"
    let example = "{routing: \(routingExample), batch: 128, context: 2048 tokens}"
    guard let reader = section("workload", of: root, example: example) else { return nil }
    let routing = section("routing", of: reader, example: routingExample)
    let trace = routing?.required("trace", example: "../traces/example.routing")
    let path = trace?.text("trace", problems)
    let phase = routing?.word("phase", Phase.self)
    routing?.finish()
    let batch = reader.integer("batch", in: 1...1_000_000)
    let context = reader.required("context", example: "2048 tokens").flatMap(wholeTokens)
    reader.finish()
    var draft = WorkloadDraft(
      phase: phase, phasePlace: place("workload", "routing", "phase"), batch: batch,
      context: context)
    if let trace, let path {
      draft.trace = (document.resolve(path, writtenAt: trace.location), trace.location)
    }
    return draft
  }

  private func wholeTokens(_ value: Value) -> Int? {
    guard let tokens = value.quantity("context", Token.self, problems) else { return nil }
    guard tokens.value <= 1e8, tokens.value == tokens.value.rounded() else {
      problems.add(
        "'context' is \(value.kindName); it must be a whole number from 1 to 100000000 tokens",
        at: value.location)
      return nil
    }
    return Int(tokens.value)
  }

  /// Whether an iteration has a number of tokens that can be simulated.
  func checkSize(_ deployment: Deployment, _ workload: Workload) -> Bool {
    let tokens = workload.tokensPerGroup * deployment.parallelism.attention.data
    guard tokens > Self.mostTokens else { return true }
    problems.add(
      "an iteration would have \(tokens) new tokens; at most \(Self.mostTokens) can be simulated",
      at: place("workload", "batch"))
    return false
  }
}

extension WorkloadDraft {
  /// The trace, held to the model and the phase where they are known.
  func openedTrace(for model: ModelArchitecture?, _ problems: ProblemCollector) -> RoutingTrace? {
    guard let (path, place) = trace else { return nil }
    let found: RoutingTrace
    do {
      found = try RoutingTrace(reading: path)
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
