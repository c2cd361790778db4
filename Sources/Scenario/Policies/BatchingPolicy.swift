import Serving
import StrictYAML

/// Which requests' tokens are in an iteration, and how they go through the layers:
///
/// ```yaml
/// batching: static
/// batching: {kind: static, microbatches: 2}      # one's exchanges beside the other's kernels
/// batching: {kind: static, microbatches: 2, streams: {attention: 16, experts: 8}}
/// batching: continuous                           # prompts in the iterations of the others' decode
/// batching: prompts-first                        # or by themselves as soon as there are some
/// ```
struct BatchingPolicy {
  var kind: Kind
  var batching: Batching

  static let `static` = BatchingPolicy(kind: .static, batching: Batching())

  enum Kind: String, PolicyKind {
    /// The same sequences throughout, each replaced by another when it ends.
    case `static`

    /// Requests begin and end: a new one's prompt goes through with the others' decoded tokens.
    case continuous
    /// The same, prompts by themselves.
    case promptsFirst = "prompts-first"

    var keys: [String] { self == .static ? ["microbatches", "streams"] : [] }

    var admission: Batching.Admission {
      switch self {
      case .static: .static
      case .continuous: .continuous
      case .promptsFirst: .promptsFirst
      }
    }
  }

  /// More parts than this are refused.
  static let mostMicrobatches = 64

  var words: String {
    var words = kind.rawValue
    if batching.microbatches > 1 { words += ", \(batching.microbatches) microbatches" }
    if let streams = batching.streams {
      words +=
        " in two streams (\(streams.attention) compute units for attention, \(streams.experts) for "
        + "experts)"
    }
    return words
  }
}

extension ScenarioReader {
  func batchingPolicy(_ value: Value) -> BatchingPolicy? {
    guard let reader = PolicyReader<BatchingPolicy.Kind>("batching", value, problems) else {
      return nil
    }
    defer { reader.finish() }
    guard let mapping = reader.mapping else {
      return BatchingPolicy(
        kind: reader.kind, batching: Batching(admission: reader.kind.admission))
    }
    var batching = Batching(admission: reader.kind.admission)
    if let written = mapping.optional("microbatches") {
      guard
        let count = written.integer(
          "microbatches", in: 1...BatchingPolicy.mostMicrobatches, problems)
      else { return nil }
      guard count > 1 else {
        problems.add("'microbatches: 1' has no effect; leave it out", at: written.location)
        return nil
      }
      batching.microbatches = count
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
    return BatchingPolicy(kind: reader.kind, batching: batching)
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
