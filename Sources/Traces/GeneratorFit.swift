import Foundation
import Statistics

extension TraceGenerator {
  /// A generator whose output has the model's popularity, reuse and entropy drop.
  ///
  /// The settings act on the outcome through draws without replacement, so they are found by trial: a
  /// small trace is drawn and measured, each setting is moved by how far its outcome is off, and so
  /// again. A dozen rounds of some thousand tokens bring reuse and drop to within a few per cent.
  static func fitted(
    to recorded: RoutingTrace, _ request: SynthesisRequest, rounds: Int = 12, tokens: Int = 12_000
  ) throws(TraceError) -> TraceGenerator {
    var stream = RandomStream(seed: request.seed, name: "synthesis: parents")
    let model = try TraceModel(of: recorded, as: request.shape, stream: &stream)
    var settings = GeneratorSettings(weights: model.popularity)
    for round in 0..<rounds {
      let generator = TraceGenerator(model, settings: settings)
      let trial = try generator.trial(tokens: tokens, seed: request.seed, round: round)
      settings.approach(model, trial, round: round)
    }
    return TraceGenerator(model, settings: settings)
  }

  /// A small trace: half of each sequence prefill, half decode.
  private func trial(tokens: Int, seed: UInt64, round: Int) throws(TraceError) -> RoutingTrace {
    let length = 40
    let sequences = max(1, tokens / length)
    var ids = [UInt16](repeating: 0, count: sequences * length * shape.selectionsPerToken)
    ids.withUnsafeMutableBufferPointer { ids in
      guard let base = ids.baseAddress else { return }
      generate(
        sequences: 0..<sequences, prefillTokens: length / 2, tokens: length, seed: seed,
        name: "synthesis: trial \(round)", into: base)
    }
    return try RoutingTrace(
      shape: shape, origin: .synthetic, provenance: "trial",
      sequences: (0..<sequences).map {
        TraceSequence(
          name: "", firstToken: $0 * length, prefillTokens: length / 2, decodeTokens: length / 2)
      },
      selections: ids)
  }
}

extension GeneratorSettings {
  /// Moves every setting by how far its outcome is off.
  fileprivate mutating func approach(_ model: TraceModel, _ trial: RoutingTrace, round: Int) {
    let gain = round < 8 ? 1.0 : 0.5
    let reuse = trial.reuse()
    let decodeTarget = model.decodeReuse ?? model.prefillReuse
    let prefillTarget = model.prefillReuse ?? model.decodeReuse
    if let target = prefillTarget, let found = reuse.prefill {
      prefillFollowing = min(max(prefillFollowing + gain * (target - found), 0), 0.99)
    }
    if let target = decodeTarget, let found = reuse.decode {
      decodeFollowing = min(max(decodeFollowing + gain * (target - found), 0), 0.99)
    }
    if let found = trial.transitions(tokens: trial.tokens)?.entropyDrop,
      model.entropyDrop > 0
    {
      // A trial of n pairs overstates the drop by (experts - 1)^2 / (2 n ln 2) bits (Miller, "Note
      // on the bias of information estimates", 1955).
      let pairs = Double(trial.tokens * model.shape.topK * model.shape.topK)
      let bias = pow(Double(model.shape.experts - 1), 2) / (2 * pairs * log(2.0))
      let ratio = model.entropyDrop / max(found - bias, model.entropyDrop / 16)
      sharpness = min(max(sharpness * pow(ratio, 0.5 * gain), 0), 8)
    }
    let counts = trial.expertTokens(in: 0..<trial.tokens)
    let experts = model.shape.experts
    let all = Double(trial.tokens * model.shape.topK)
    for layer in weights.indices {
      for expert in 0..<experts {
        let found = (Double(counts[layer * experts + expert]) + 1) / (all + Double(experts))
        let ratio = model.popularity[layer][expert] / found
        weights[layer][expert] *= min(max(pow(ratio, 0.5 * gain), 0.5), 2)
      }
      weights[layer] = normalised(weights[layer])
    }
  }
}
