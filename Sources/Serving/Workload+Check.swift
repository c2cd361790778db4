import Hardware
import Models

extension ServingError {
  /// Prompts are known, so that there is nothing to guess.
  public static let speculationInPrefill =
    "speculation guesses tokens that are still to come; a prompt's are there (phase: prefill)"
}

extension Workload {
  /// Whether it can be given to a deployment.
  ///
  /// - Throws: ``ServingError/batching(_:)`` with the sentence that says what cannot be.
  public func check(_ deployment: Deployment) throws(ServingError) {
    let parts = batching.microbatches
    guard parts >= 1 else { throw .batching("\(parts) microbatches; at least 1 is needed") }
    guard parts <= batch else {
      let what = phase == .decode ? "sequences" : "prompts"
      throw .option(
        .microbatches, "\(parts) microbatches of \(batch) \(what) leave some without any")
    }
    guard phase == .decode || deployment.execution.attention == .device else {
      throw .option(
        .companionAttention,
        "'attention' has no effect on prompts: a companion runs the attention of decoded tokens")
    }
    guard speculation == nil || !deployment.execution.usesCompanion else {
      throw .option(.speculation, "speculation with work on companions is not possible so far")
    }
    let isStreamed = deployment.execution.streamed != nil
    guard parts == 1 || requests == nil || isStreamed else {
      throw .option(
        .microbatches,
        "several microbatches of requests that begin and end are not possible so far")
    }
    guard speculation == nil || requests == nil else {
      throw .option(
        .speculation, "speculation in requests that begin and end is not possible so far")
    }
    guard deployment.blocks == nil || speculation == nil else {
      throw .option(.speculation, "speculation with experts in blocks is not possible so far")
    }
    guard deployment.blocks == nil || parts == 1 else {
      throw .option(
        .microbatches, "several microbatches with experts in blocks are not possible so far")
    }
    guard parts == 1 || !deployment.execution.usesCompanion || isStreamed else {
      throw .option(
        .microbatches, "several microbatches with work on companions are not possible so far")
    }
    try checkResidence(deployment.exchange.residence)
    guard batching.streams == nil || !isStreamed else {
      throw .option(
        .streams, "streams of compute units with streamed weights are not possible so far")
    }
    try checkStreaming(deployment)
    try checkStreams(deployment.cluster.device, deployment.protocols)
    guard let speculation else { return }
    guard phase == .decode else { throw .option(.speculation, ServingError.speculationInPrefill) }
    guard speculation.tokens >= 1 else {
      throw .option(
        .speculation, "speculation with \(speculation.tokens) guesses; at least 1 is needed")
    }
    guard (0...1).contains(speculation.acceptance) else {
      throw .option(
        .speculation, "an acceptance of \(speculation.acceptance); it is a share from 0 to 1")
    }
  }

  private func checkResidence(_ residence: Deployment.TokenResidence) throws(ServingError) {
    guard residence == .transition else { return }
    guard phase == .decode, requests == nil else {
      throw .option(
        .tokenResidence,
        "with 'model: transition' tokens of a prompt would attend to each other on different devices; "
          + "only decode without requests is possible so far")
    }
    guard speculation == nil else {
      throw .option(.speculation, "speculation with 'model: transition' is not possible so far")
    }
  }

  private func checkStreams(
    _ device: Device, _ protocols: ExchangeProtocols
  ) throws(ServingError) {
    guard let streams = batching.streams else { return }
    guard batching.microbatches > 1 else {
      throw .option(
        .streams, "streams of one microbatch wait for each other; give two microbatches")
    }
    guard let all = device.computeUnits else {
      throw .option(
        .streams, "'\(device.name)' has no known number of compute units to split")
    }
    guard streams.attention >= 1, streams.experts >= 1,
      streams.attention <= all, streams.experts <= all - streams.attention
    else {
      throw .option(
        .streams,
        "streams of \(streams.attention) and \(streams.experts) compute units; "
          + "'\(device.name)' has \(all)")
    }
    guard let exchanges = protocols.multiprocessors else { return }
    let both = streams.attention + streams.experts
    guard exchanges <= all - both else {
      throw .option(
        .streams,
        "streams of \(streams.attention) and \(streams.experts) compute units and \(exchanges) "
          + "multiprocessors for exchanges are \(both + exchanges); '\(device.name)' has \(all)")
    }
  }
}
