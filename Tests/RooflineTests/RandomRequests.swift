import Hardware
import Models
import Scenario
import Serving
import Traces
import Units

extension RandomRuns {
  /// Requests by every admission, as many as there are places or several times as many, with budgets and
  /// caches that let some of them wait.
  ///
  /// - Parameter execution: Given room for keys and values that is less than all may need at a time, where
  ///   they have a place of their own.
  mutating func requests(
    _ model: ModelArchitecture, _ precisions: Precisions, groups: Int,
    _ execution: inout ExpertExecution
  ) throws -> (RoutingTrace) -> Workload {
    let (batch, prompt, output) = (pick([1, 3, 8]), pick([5, 40, 120]), pick([1, 4, 4, 9, 9]))
    var batching = Batching(
      microbatches: execution.streamed == nil ? 1 : min(batch, pick([1, 2, 3])),
      admission: pick([.continuous, .promptsFirst, .together, .together]))
    if chance(0.3) {
      let room = max(prompt + output, (batch + batching.microbatches - 1) / batching.microbatches)
      batching.budget = (room + pick([0, 3, prompt])) * batching.microbatches
    }
    if var streamed = execution.streamed, execution.attention == .companion, chance(0.8) {
      // Requests that begin one by one are held to their mean length, and may find too little room at the
      // end.
      let each = Double(prompt) + Double(output) * (batching.admission == .together ? 1 : 0.55)
      streamed.cache =
        model.keyValueBytesPerToken(precisions.kvCache) * (Double(batch) * each + 1)
      execution.experts = .streamed(streamed)
    }
    let isLimited =
      batching.budget != nil || execution.streamed != nil || batching.admission == .promptsFirst
    let count = isLimited || chance(0.3) ? batch * groups * pick([1, 2, 3]) : nil
    let isUniform = chance(0.5)
    return { [batching] trace in
      var workload = Workload(
        trace: trace, phase: .decode, batch: batch, context: prompt + output,
        routing: isUniform ? .uniform : .asRecorded, batching: batching)
      workload.requests = RequestLengths(prompt: prompt, output: output, count: count)
      return workload
    }
  }
}

extension Workload {
  /// As many iterations as whole requests take: all that there are, or each place's own a few times.
  var wholeRequests: Measurement {
    guard let requests, requests.count == nil else {
      return Measurement(warmup: 0, iterations: 10_000)
    }
    let times = max(2, 12 / requests.output)
    return Measurement(warmup: 0, iterations: requests.output * times)
  }
}
