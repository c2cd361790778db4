extension Workload {
  /// The most sequences of an attention group with which the workload can be given to a deployment: that
  /// the memories have room for, and, where requests come one by one and an iteration's new tokens have a
  /// budget, that this keeps going. At least one for each microbatch, whether they fit or not, and else at
  /// most `most`; ``batch`` is ignored.
  ///
  /// A system that chooses its batch by a model of its throughput (MoE-Lightning, arXiv 2411.11217) takes
  /// this one: by the closed forms more sequences never give less, for they share what is read once.
  ///
  /// O(log most) checks.
  ///
  /// - Returns: The batch, and why it is no larger.
  public func largestBatch(
    on deployment: Deployment, most: Int
  ) -> (sequences: Int, limit: String) {
    var fitting = max(1, batching.microbatches)
    var step = 1
    // Doubles the step while that fits, and halves it when it does not.
    while fitting + step <= most, fits(deployment, batch: fitting + step) {
      fitting += step
      step *= 2
    }
    while step > 1 {
      step /= 2
      if fitting + step <= most, fits(deployment, batch: fitting + step) { fitting += step }
    }
    let limit = obstacle(deployment, batch: fitting + 1) ?? "at most \(most) are simulated"
    return (fitting, limit)
  }

  private func fits(_ deployment: Deployment, batch: Int) -> Bool {
    obstacle(deployment, batch: batch) == nil
  }

  /// Why a batch cannot be; nil where it can.
  private func obstacle(_ deployment: Deployment, batch: Int) -> String? {
    var workload = self
    workload.batch = batch
    let groups = deployment.parallelism.attention.data
    if let count = requests?.count, (batch - 1) * groups >= count {
      return "there are no more than \(count) requests"
    }
    if let budget = batching.budget, !workload.budgetSuffices {
      return "a budget of \(budget) tokens does not keep more going"
    }
    do throws(ServingError) { try workload.check(deployment) } catch { return error.sentence }
    let memory = MemoryBudget(deployment, workload)
    return memory.fits ? nil : ServingError.doesNotFit(memory).sentence
  }

  /// Whether prompts come as fast as requests end: each brings its prompt once and a token for each
  /// further one of its outputs, over as many iterations as it has outputs.
  private var budgetSuffices: Bool {
    guard let requests, let budget = batching.budget, batching.admission != .together else {
      return true
    }
    return Double(batch) * Double(requests.prompt + requests.output - 1)
      <= Double(budget) * Double(requests.output)
  }
}
