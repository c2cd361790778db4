import Foundation
import Statistics

/// What a synthetic trace should have.
public struct SynthesisRequest: Sendable {
  public var shape: RoutingShape
  public var sequences: Int
  /// Of each sequence.
  public var prefillTokens: Int
  public var decodeTokens: Int
  public var seed: UInt64
  public var threads: Int

  public init(
    shape: RoutingShape, sequences: Int, prefillTokens: Int, decodeTokens: Int, seed: UInt64 = 0,
    threads: Int = 1
  ) {
    self.shape = shape
    self.sequences = sequences
    self.prefillTokens = prefillTokens
    self.decodeTokens = decodeTokens
    self.seed = seed
    self.threads = threads
  }
}

/// A sequence is drawn in memory, two bytes a selection.
private let mostSelectionsOfASequence = 1 << 30

/// Draws a trace of another shape from the statistics of a recorded one, and writes it.
///
/// Taken from the recorded trace: each layer's popularity of experts, what the experts of a layer
/// tell about the next layer's, and the share of experts that a token shares with the one before it.
/// Not taken: anything longer than one layer or one token, and what a text is about. The result says
/// that it is synthetic in its header and its provenance.
///
/// The same request gives the same file, whatever `threads` is.
///
/// - Throws: ``TraceError`` for a shape that cannot be drawn or an output that cannot be written.
public func synthesizeTrace(
  _ request: SynthesisRequest, from recorded: RoutingTrace, to output: String,
  replacing: Bool = false
) throws(TraceError) {
  let tokens = request.prefillTokens + request.decodeTokens
  guard request.sequences > 0, request.prefillTokens >= 0, request.decodeTokens >= 0, tokens > 0,
    request.sequences < 1 << 31, tokens < 1 << 31
  else {
    throw .impossibleShape(
      detail: "\(request.sequences) sequences of \(tokens) tokens; at least one of each is needed")
  }
  guard tokens <= mostSelectionsOfASequence / request.shape.selectionsPerToken else {
    throw .impossibleShape(
      detail: "a sequence of \(tokens) tokens has more than 2^30 selections; draw shorter ones")
  }
  let generator = try TraceGenerator.fitted(to: recorded, request)
  let writer = try RoutingTraceWriter(
    to: output, shape: request.shape, origin: .synthetic,
    provenance: provenance(of: request, from: recorded), replacing: replacing)
  // Blocks of sequences: enough to fill the cache with work, at most some 64 MiB for each thread.
  let row = request.shape.selectionsPerToken
  let block = min(request.sequences, max(1, min(512, (32 << 20) / (tokens * row))))
  let threads = max(1, min(request.threads, (request.sequences + block - 1) / block))
  var room = [UInt16](repeating: 0, count: threads * block * tokens * row)
  var first = 0
  while first < request.sequences {
    let end = min(first + threads * block, request.sequences)
    fill(&room, with: first..<end, block: block, request, generator)
    let count = (end - first) * tokens * row
    try room.withUnsafeBufferPointer { room throws(TraceError) in
      try writer.append(UnsafeBufferPointer(rebasing: room[..<count]))
    }
    for sequence in first..<end {
      writer.endSequence(
        "synthetic-\(sequence)", source: "synthetic", prefillTokens: request.prefillTokens,
        decodeTokens: request.decodeTokens)
    }
    first = end
  }
  try writer.finish()
}

private func fill(
  _ room: inout [UInt16], with sequences: Range<Int>, block: Int, _ request: SynthesisRequest,
  _ generator: TraceGenerator
) {
  let tokens = request.prefillTokens + request.decodeTokens
  let row = request.shape.selectionsPerToken
  room.withUnsafeMutableBufferPointer { room in
    // Every block writes to its own part of the room.
    nonisolated(unsafe) let base = room.baseAddress
    let blocks = (sequences.count + block - 1) / block
    let work: @Sendable (Int) -> Void = { index in
      guard let base else { return }
      let first = sequences.lowerBound + index * block
      generator.generate(
        sequences: first..<min(first + block, sequences.upperBound),
        prefillTokens: request.prefillTokens, tokens: tokens, seed: request.seed,
        name: "synthesis", into: base + index * block * tokens * row)
    }
    if blocks == 1 {
      work(0)
    } else {
      DispatchQueue.concurrentPerform(iterations: blocks, execute: work)
    }
  }
}

private func provenance(of request: SynthesisRequest, from recorded: RoutingTrace) -> String {
  let source = recorded.origin == .synthetic ? "the synthetic trace" : "the recorded trace"
  return
    "synthetic: drawn with seed \(request.seed) from the popularity of experts, the next-layer "
    + "dependence and the next-token reuse of \(source) '\(lastComponent(of: recorded.file))' "
    + "(\(recorded.shape.model), \(recorded.shape.summary)); \(recorded.provenance)"
}
