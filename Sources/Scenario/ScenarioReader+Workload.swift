import Models
import Serving
import StrictYAML
import Traces
import Units

/// What `workload` says, before its trace is opened.
struct WorkloadDraft {
  /// From where the program stands.
  var tracePath: String
  var tracePlace: Location
  var phase: Phase
  var phasePlace: Location
  var batch: Int
  var context: Int
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
    guard let trace, let path, let phase, let batch, let context else { return nil }
    return WorkloadDraft(
      tracePath: document.resolve(path, writtenAt: trace.location), tracePlace: trace.location,
      phase: phase, phasePlace: place("workload", "routing", "phase"), batch: batch,
      context: context)
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
  /// The trace, held to the model where that is known.
  func trace(for model: ModelArchitecture?, _ reader: ScenarioReader) -> RoutingTrace? {
    let trace: RoutingTrace
    do {
      trace = try openTrace(tracePath)
    } catch {
      reader.problems.add(error.sentence, at: tracePlace)
      return nil
    }
    let matches = model.map { self.matches(trace, $0, reader) } ?? true
    let tokens = phase == .decode ? trace.decodeTokens : trace.prefillTokens
    if tokens == 0 {
      let other = phase == .decode ? Phase.prefill : .decode
      let error = ServingError.noTokens(phase: phase.rawValue, file: trace.file)
      reader.problems.add(
        "\(error.sentence); it has \(other.rawValue) tokens only", at: phasePlace)
    }
    return matches && tokens > 0 ? trace : nil
  }

  private func matches(
    _ trace: RoutingTrace, _ model: ModelArchitecture, _ reader: ScenarioReader
  ) -> Bool {
    let layers = model.expertLayers
    do {
      try trace.check(
        layers: layers.count, experts: model.experts.count, topK: model.experts.topK,
        for: model.name)
    } catch {
      reader.problems.add(error.sentence, at: tracePlace)
      return false
    }
    guard trace.shape.layerIDs != layers else { return true }
    reader.problems.add(
      "\(trace.file): a trace of another model: its selections are of layers "
        + "\(spelled(trace.shape.layerIDs)) (\(trace.shape.model)), but experts are wanted in layers "
        + "\(spelled(layers)) (\(model.name))", at: tracePlace)
    return false
  }
}

/// Opens recorded selections. Other formats than `*.routing` come in here.
func openTrace(_ path: String) throws(TraceError) -> RoutingTrace {
  try RoutingTrace(opening: path)
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
