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

  /// - Parameter isWhole: That no change of the machine comes to pass, whatever the scenario says.
  public init(_ deployment: Deployment, _ workload: Workload, isWhole: Bool = false) {
    self.deployment = deployment
    self.workload = workload
    let mayChange = !isWhole && !deployment.fabric.changes.isEmpty
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

    var tokens: Double { Double(mix.tokens) * groups * times }
  }

  /// What goes through the layers at a time: a launch has the tokens of all of its shares.
  struct Pass {
    var shares: [Share]
    /// How often; the shares' own counts have it in them.
    var times = 1.0

    /// Of all times together.
    var tokens: Double { shares.reduce(0) { $0 + $1.tokens } }

    func repeated(_ count: Double) -> Pass {
      Pass(shares: shares.map { $0.repeated(count) }, times: times * count)
    }
  }

  /// What passes through the experts of one layer ask, beside the shares.
  struct Routed {
    /// Of passes that are alike: their tokens, and copies of experts to read.
    var passes: [(tokens: Double, activeCopies: Double)]
    /// Of all of them: copies of tokens, in dispatch alone.
    var copiesWithinNode = 0.0
    var copiesBetweenNodes = 0.0
  }
}

// MARK: - What is asked

extension LeastWork {
  /// One iteration, as the trace's own selections (or the scenario's law) let expect it: see
  /// ``DistinctExperts``. Of requests the mean one.
  ///
  /// - Returns: Beside it the copies of experts with tokens in a pass through the layers, the mean over
  ///   passes, by place among the layers with experts.
  public func iteration(
    expecting sample: RoutingSample
  ) -> (work: IterationWork, activeCopies: [Double]) {
    var work = IterationWork(layers: deployment.model.layers, on: machine)
    let (model, guesses) = passes()
    addModel(model, to: &work)
    addGuesses(model + guesses, to: &work)
    func expected(_ passes: [Pass], at position: Int) -> Routed {
      let tokens = passes.reduce(0) { $0 + $1.tokens }
      return Routed(
        passes: passes.map { pass in
          let copies = activeCopies(
            sample.probabilities[position], tokens: pass.tokens / pass.times, at: position)
          return (pass.tokens, copies * pass.times)
        },
        // Where else tokens are depends on each.
        copiesWithinNode: returnsHome ? sample.copiesWithinNode[position] * tokens : 0,
        copiesBetweenNodes: returnsHome ? sample.copiesBetweenNodes[position] * tokens : 0)
    }
    let count = model.reduce(0) { $0 + $1.times }
    var active = [Double](repeating: 0, count: sample.probabilities.count)
    for position in deployment.model.expertPositions(of: workload.phase) {
      let routed = expected(model, at: position)
      active[position] = routed.passes.reduce(0) { $0 + $1.activeCopies } / count
      add(routed, layer: deployment.model.expertLayers[position], to: &work)
    }
    if workload.speculation != nil, let last = active.indices.last {
      add(expected(model + guesses, at: last), layer: nil, to: &work)
    }
    if !returnsHome {
      addContextGather(tokens: model.reduce(0) { $0 + $1.tokens }, to: &work)
    }
    addWeightStream(times: 1, to: &work)
    return (work, active)
  }

  /// Copies of experts that some tokens are expected to go to.
  private func activeCopies(
    _ probabilities: [Double], tokens: Double, at position: Int
  ) -> Double {
    // Ranks without a token ask for no copy: one of each is the least. Here groups of ranks are taken to
    // have tokens alike; those of requests may not.
    let asksEach = tokens >= Double(deployment.cluster.deviceCount)
    guard deployment.placement.hasReplicas, asksEach else {
      return DistinctExperts.expected(probabilities: probabilities, tokens: tokens)
    }
    guard deployment.replicaChoice == .nearest else {
      return DistinctExperts.expected(
        probabilities: probabilities, tokens: tokens,
        copies: deployment.placement.hosts[position].map(\.count))
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

  /// Iterations that a simulation has run. O(mixes x kinds of layers x operators + passes x layers).
  public func iterations(_ needed: NeededLoad) -> IterationWork {
    var work = IterationWork(layers: deployment.model.layers, on: machine)
    let count = Double(needed.iterations)
    let (model, guesses): ([Pass], [Pass])
    if needed.mixes.isEmpty {
      let one = passes()
      model = one.model.map { $0.repeated(count) }
      guesses = one.guesses.map { $0.repeated(count) }
    } else {
      model = needed.mixes.map { Pass(shares: [Share(mix: $0, groups: 1)]) }
      guesses = []
    }
    addModel(model, to: &work)
    addGuesses(model + guesses, to: &work)
    let tokens = model.reduce(0) { $0 + $1.tokens }
    for position in deployment.model.expertPositions(of: workload.phase) {
      let passes = needed.passes.map {
        (tokens: Double($0.tokens), activeCopies: Double($0.activeCopies[position]))
      }
      let alike = [(tokens: tokens, activeCopies: Double(needed.activeCopies[position]))]
      let routed = Routed(
        passes: passes.isEmpty ? alike : passes,
        copiesWithinNode: Double(needed.copiesWithinNode[position]),
        copiesBetweenNodes: Double(needed.copiesBetweenNodes[position]))
      add(routed, layer: deployment.model.expertLayers[position], to: &work)
    }
    if workload.speculation != nil {
      let all = tokens + guesses.reduce(0) { $0 + $1.tokens }
      let routed = Routed(
        passes: [(all, Double(needed.prediction.activeCopies))],
        copiesWithinNode: Double(needed.prediction.copiesWithinNode),
        copiesBetweenNodes: Double(needed.prediction.copiesBetweenNodes))
      add(routed, layer: nil, to: &work)
    }
    if !returnsHome { addContextGather(tokens: tokens, to: &work) }
    // One layer's may have come in the iteration before the first.
    addWeightStream(times: count, ahead: deployment.streamBufferBytes * 0.5, to: &work)
    return work
  }

  /// Tokens that an iteration is paid for: those it gives, or takes in of prompts.
  public var tokensPerIteration: Tokens {
    Tokens(workload.countedTokensPerSequence * Double(workload.batch) * groups)
  }

  /// What goes through the model in an iteration, and through the prediction layer for each guess after
  /// the first.
  private func passes() -> (model: [Pass], guesses: [Pass]) {
    if let lengths = workload.requests { return (passes(of: lengths), []) }
    let parts = (0..<workload.batching.microbatches).map { workload.microbatch($0) }
    let further = max(0, (workload.speculation?.tokens ?? 0) - 1)
    return (
      model: parts.map {
        Pass(shares: [Share(mix: $0.mix, groups: groups, weights: leastReads)])
      },
      guesses: parts.flatMap {
        let guess = Share(mix: $0.withoutSpeculation.mix, groups: groups)
        return Array(repeating: Pass(shares: [guess]), count: further)
      }
    )
  }

  /// How many of the groups read a layer's weights at least, over all: one has tokens, where these need
  /// not be on their own devices.
  private var leastReads: Double { returnsHome ? 1 : 1 / groups }

  var returnsHome: Bool { deployment.exchange.residence == .home }
}
