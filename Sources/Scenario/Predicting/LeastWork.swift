import Fabric
import Hardware
import Models
import Roofline
import Serving
import Units

/// Puts together the least that a deployment's iterations ask of its machine.
///
///     let least = LeastWork(deployment, workload)
///     let iteration = least.iteration(expecting: sample)         // before a run
///     let realised = least.iterations(needed)                    // of a run
///     least.machine.times(of: iteration.total).bound
///
/// Operators are the model's own, on as many devices as the parallelism says, and whatever a schedule
/// might spare is left out: weights are read once by each device in each microbatch that has tokens
/// there; of experts only those with tokens; rows are gathered for experts by the experts' kernels; a
/// token goes only to devices that have one of its experts; work that device or companion may do counts
/// for both together. Launches, latencies, achieved fractions of peaks, waiting and imbalance are left
/// out. So no simulated run is faster.
public struct LeastWork: Sendable {
  public let machine: Machine
  let deployment: Deployment
  let workload: Workload
  /// Attention groups, and devices of each.
  let groups: Double
  let width: Int

  public init(_ deployment: Deployment, _ workload: Workload) {
    self.deployment = deployment
    self.workload = workload
    let mayChange = !deployment.fabric.changes.isEmpty
    machine = Machine(
      deployment.cluster,
      scaleUp: deployment.network.bandwidthOutOfDevices(deployment.cluster, mayChange: mayChange),
      network: deployment.network.bandwidthOutOfNodes(deployment.cluster))
    groups = Double(deployment.parallelism.attention.data)
    width = deployment.parallelism.attention.tensor
  }

  /// Tokens that attention groups take through the layers together: a mix, how many groups have such
  /// a one, and how often.
  struct Share {
    var mix: IterationMix
    var groups: Double
    /// Of the work.
    var times = 1.0
    /// Of reading the weights.
    var weights = 1.0

    func repeated(_ count: Double) -> Share {
      var share = self
      share.times *= count
      share.weights *= count
      return share
    }
  }

  /// What a pass through the experts of the layers asks, beside the shares.
  struct Routed {
    /// Expert copies to read, by place among the layers with experts.
    var activeCopies: [Double]
    /// The same of copies of tokens, in dispatch alone.
    var copiesWithinNode: [Double]
    var copiesBetweenNodes: [Double]
  }
}

// MARK: - What is asked

extension LeastWork {
  /// One iteration, as the trace's own selections (or the scenario's law) let expect it: see
  /// ``DistinctExperts``. Of requests the mean one.
  ///
  /// - Returns: Beside it the copies of experts with tokens, by place among the layers with experts.
  public func iteration(
    expecting sample: RoutingSample
  ) -> (work: IterationWork, activeCopies: [Double]) {
    var work = IterationWork(layers: deployment.model.layers)
    let nothing = [Double](repeating: 0, count: sample.probabilities.count)
    var routed = Routed(
      activeCopies: nothing, copiesWithinNode: nothing, copiesBetweenNodes: nothing)
    let positions = deployment.model.expertPositions(of: workload.phase)
    let last = max(0, routed.activeCopies.count - 1)
    func expect(_ tokens: Double, at position: Int) {
      routed.activeCopies[position] += activeCopies(
        sample.probabilities[position], tokens: tokens, at: position)
      // Where else tokens are depends on each.
      guard returnsHome else { return }
      routed.copiesWithinNode[position] += sample.copiesWithinNode[position] * tokens
      routed.copiesBetweenNodes[position] += sample.copiesBetweenNodes[position] * tokens
    }
    for (model, guesses) in shares() {
      for position in positions { expect(tokens(of: model), at: position) }
      if workload.speculation != nil { expect(tokens(of: model), at: last) }
      for guess in guesses { expect(tokens(of: guess), at: last) }
      addModel(model, to: &work)
      addGuesses(model, guesses, to: &work)
    }
    add(routed, to: &work)
    addWeightStream(times: 1, to: &work)
    return (work, routed.activeCopies)
  }

  /// Copies of experts that some tokens are expected to go to.
  private func activeCopies(
    _ probabilities: [Double], tokens: Double, at position: Int
  ) -> Double {
    guard deployment.placement.hasReplicas, deployment.replicaChoice == .nearest else {
      return DistinctExperts.expected(
        probabilities: probabilities, tokens: tokens,
        copies: deployment.placement.hasReplicas
          ? deployment.placement.hosts[position].map(\.count) : nil)
    }
    // Which copy is near depends on where tokens are then: one of each is the least.
    guard returnsHome else {
      return DistinctExperts.expected(probabilities: probabilities, tokens: tokens)
    }
    let shares = deployment.shareOfCopies(layer: position)
    let each = zip(probabilities, shares).flatMap { probability, shares in
      shares.map { probability * $0 }
    }
    return DistinctExperts.expected(probabilities: each, tokens: tokens)
  }

  /// Iterations that a simulation has run. O(mixes x kinds of layers x operators + layers).
  public func iterations(_ needed: NeededLoad) -> IterationWork {
    var work = IterationWork(layers: deployment.model.layers)
    let count = Double(needed.iterations)
    if needed.mixes.isEmpty {
      for (model, guesses) in shares() {
        addModel(model.map { $0.repeated(count) }, to: &work)
        addGuesses(
          model.map { $0.repeated(count) }, guesses.map { $0.map { $0.repeated(count) } }, to: &work
        )
      }
    } else {
      addModel(needed.mixes.map { Share(mix: $0, groups: 1) }, to: &work)
    }
    // One layer's may have come in the iteration before the first.
    addWeightStream(times: count, ahead: deployment.streamBufferBytes * 0.5, to: &work)
    let tokens = needed.mixes.isEmpty ? nil : Double(needed.mixes.reduce(0) { $0 + $1.tokens })
    add(
      Routed(
        activeCopies: needed.activeCopies.map(Double.init),
        copiesWithinNode: needed.copiesWithinNode.map(Double.init),
        copiesBetweenNodes: needed.copiesBetweenNodes.map(Double.init)),
      to: &work, tokens: tokens, times: needed.mixes.isEmpty ? count : 1)
    return work
  }

  /// Tokens that an iteration is paid for: those it gives, or takes in of prompts.
  public var tokensPerIteration: Tokens {
    Tokens(workload.countedTokensPerSequence * Double(workload.batch) * groups)
  }

  /// For each microbatch what goes through the model, and through the prediction layer for each guess
  /// after the first.
  func shares() -> [(model: [Share], guesses: [[Share]])] {
    if let lengths = workload.requests { return [(model: shares(of: lengths), guesses: [])] }
    return (0..<workload.batching.microbatches).map { index in
      let own = workload.microbatch(index)
      let further = max(0, (workload.speculation?.tokens ?? 0) - 1)
      let guess = Share(mix: own.withoutSpeculation.mix, groups: groups)
      return (
        model: [Share(mix: own.mix, groups: groups, weights: leastReads)],
        guesses: Array(repeating: [guess], count: further)
      )
    }
  }

  /// How many of the groups read a layer's weights at least, over all: one has tokens, where these need
  /// not be on their own devices.
  private var leastReads: Double { returnsHome ? 1 : 1 / groups }

  var returnsHome: Bool { deployment.exchange.residence == .home }

  /// The mean iteration of requests: in each, a request of n output tokens is decoded with
  /// probability (n - 1)/n, at any of its n - 1 ages, and begins with probability 1/n.
  private func shares(of lengths: RequestLengths) -> [Share] {
    let (batch, output) = (workload.batch, Double(lengths.output))
    let decoded = Share(
      mix: IterationMix(
        parts: [
          TokenBatch(decoding: batch, context: Double(lengths.prompt) + output / 2)
        ], outputs: batch),
      groups: groups, times: (output - 1) / output)
    let begun = Share(
      mix: IterationMix(
        parts: [
          TokenBatch(
            prefilling: batch * lengths.prompt, of: batch, context: Double(lengths.prompt))
        ], outputs: batch),
      groups: groups, times: 1 / output, weights: lengths.output > 1 ? 0 : 1)
    return lengths.output > 1 ? [decoded, begun] : [begun]
  }

  func tokens(of shares: [Share]) -> Double {
    shares.reduce(0) { $0 + Double($1.mix.tokens) * $1.groups * $1.times }
  }
}
