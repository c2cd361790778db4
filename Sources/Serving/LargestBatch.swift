extension Workload {
  /// The most sequences of an attention group with which the workload can be given to a deployment: that
  /// the memories have room for, and, where prompts go through beside decoded tokens and the new tokens of
  /// an iteration have a budget, of which each has a token in every iteration. At least one for each
  /// microbatch, whether they fit or not, and else at most `most`; ``batch`` is ignored.
  ///
  /// A system that chooses its batch by a model of its throughput (MoE-Lightning, arXiv 2411.11217) is taken
  /// to fill what it has, since more sequences share what is read once. That no smaller batch is faster is
  /// not promised.
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

  /// Whether the budget lets prompts in as fast as requests end. Where requests end evenly, one of
  /// `output` iterations is the prompt's and the others have a token each, so that an iteration has at
  /// most ceil(places / output) prompts, whole ones, beside a token of everybody else. Prompts that go by
  /// themselves take no tokens' place.
  private var budgetSuffices: Bool {
    guard let requests, let budget = batching.budgetOfMicrobatch else { return true }
    switch batching.admission {
    case .static, .together, .promptsFirst: return true
    case .continuous:
      let places = (batch + batching.microbatches - 1) / batching.microbatches
      let prompts = (places + requests.output - 1) / requests.output
      return places - prompts <= budget && prompts <= (budget - places + prompts) / requests.prompt
    }
  }
}
