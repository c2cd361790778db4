import Serving
import StrictYAML

/// Which requests' tokens are in an iteration, and how they go through the layers:
///
/// ```yaml
/// batching: static
/// batching: {kind: static, microbatches: 2}      # one's exchanges beside the other's kernels
/// batching: {kind: static, microbatches: 2, streams: {attention: 16, experts: 8}}
/// batching: continuous                           # prompts in the iterations of the others' decode
/// batching: {kind: continuous, budget: 18000 tokens}     # new tokens of an iteration, at most
/// batching: together                             # all requests' prompts, then all their decoded tokens
/// batching: prompts-first                        # or by themselves as soon as there are some
/// ```
extension Batching {
  /// More parts than this are refused.
  static let mostMicrobatches = 64

  /// The kind with its options.
  var words: String {
    var words = admission.rawValue
    if microbatches > 1 { words += ", \(microbatches) microbatches" }
    if let budget { words += ", at most \(budget) new tokens an iteration" }
    if let streams {
      words +=
        " in two streams (\(streams.attention) compute units for attention, \(streams.experts) for "
        + "experts)"
    }
    return words
  }
}

extension Batching.Admission: PolicyKind {
  var keys: [String] {
    self == .static ? ["microbatches", "streams"] : ["microbatches", "budget"]
  }
}

extension ScenarioReader {
  func batchingPolicy(_ value: Value) -> Batching? {
    guard let reader = PolicyReader<Batching.Admission>("batching", value, problems) else {
      return nil
    }
    defer { reader.finish() }
    var batching = Batching(admission: reader.kind)
    guard let mapping = reader.mapping else { return batching }
    if let written = mapping.optional("microbatches") {
      guard
        let count = written.integer(
          "microbatches", in: 1...Batching.mostMicrobatches, problems)
      else { return nil }
      batching.microbatches = count
    }
    if reader.kind.keys.contains("budget"), let written = mapping.optional("budget") {
      guard let budget = wholeTokens("budget", written) else { return nil }
      batching.budget = budget
    }
    if let written = mapping.optional("streams") {
      guard batching.microbatches > 1 else {
        problems.add(
          "'streams' has no effect without 'microbatches': the stages of one batch wait for each "
            + "other", at: written.location)
        return nil
      }
      guard let streams = streams(written) else { return nil }
      batching.streams = streams
    }
    return batching
  }

  private func streams(_ value: Value) -> Batching.Streams? {
    guard case .mapping = value.content else {
      problems.add(
        "'streams' is a mapping, not \(value.kindName); write it like "
          + "'streams: {attention: 16, experts: 8}'", at: value.location)
      return nil
    }
    let reader = MappingReader(value, problems)
    let attention = reader.integer("attention", in: 1...100_000)
    let experts = reader.integer("experts", in: 1...100_000)
    reader.finish()
    guard let attention, let experts else { return nil }
    return Batching.Streams(attention: attention, experts: experts)
  }
}
