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
  public func largestBatch(on deployment: Deployment, most: Int) -> Int {
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
    return fitting
  }

  private func fits(_ deployment: Deployment, batch: Int) -> Bool {
    var workload = self
    workload.batch = batch
    return workload.budgetSuffices && (try? workload.check(deployment)) != nil
      && MemoryBudget(deployment, workload).fits
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
