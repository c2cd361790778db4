import Serving
import StrictYAML

/// Experts computed block by block, away from where they live:
///
/// ```yaml
/// execution: {kind: blocks, tokens: 50, choice: everywhere}
/// execution: {kind: blocks, tokens: 50, choice: allocator, candidates: 3}   # without: all near ones
/// execution: {kind: blocks, tokens: 50, choice: allocator, duplicates: 10 %, predict: 8}
/// ```
enum BlockPolicy {
  static let keys = ["tokens", "choice", "candidates", "duplicates", "predict"]

  enum Choice: String, CaseIterable {
    case everywhere
    case allocator
  }
}

extension ScenarioReader {
  /// - Parameter mapping: nil where only the word stands.
  func blockPolicy(_ mapping: MappingReader?, at location: Location) -> BlockExecution? {
    guard let mapping else {
      problems.add(
        "execution 'blocks' needs to know more; write it like "
          + "'{kind: blocks, tokens: 50, choice: allocator}'", at: location)
      return nil
    }
    let tokens = mapping.integer("tokens", in: 1...1_000_000)
    let word = mapping.word("choice", BlockPolicy.Choice.self)
    let candidates = mapping.optionalInteger("candidates", in: 1...65_535)
    let share = mapping.optional("duplicates").map { self.share("duplicates", $0) }
    let predicted = mapping.optionalInteger("predict", in: 1...65_535)
    if mapping.has("predict"), !mapping.has("duplicates") {
      problems.add(
        "'predict' has no effect without 'duplicates'", at: mapping.location(of: "predict"))
      return nil
    }
    if mapping.has("candidates"), word == .everywhere {
      problems.add(
        "'candidates' has no effect with 'choice: everywhere'; it is for the allocator",
        at: mapping.location(of: "candidates"))
      return nil
    }
    guard let tokens, let word, mapping.has("candidates") == (candidates != nil),
      mapping.has("predict") == (predicted != nil)
    else { return nil }
    var policy = BlockExecution(
      tokensPerBlock: tokens,
      choice: word == .everywhere ? .everywhere : .allocator(candidates: candidates))
    guard let given = share else { return policy }
    guard let share = given else { return nil }
    policy.duplicates = BlockExecution.Duplicates(share: share, predicted: predicted)
    return policy
  }

  /// Whether everything that was asked of blocks has an effect in this workload.
  func checkBlocks(_ deployment: Deployment, _ workload: Workload) -> Bool {
    guard let predicted = deployment.blocks?.duplicates?.predicted else { return true }
    let experts = deployment.model.experts.count
    var reason: String?
    if workload.phase == .prefill {
      reason =
        "'predict' has no effect on prompts: no sequence's next token follows in another iteration"
    } else if workload.requests != nil {
      reason =
        "'predict' follows sequences from one iteration to the next; with requests that begin and end "
        + "it cannot so far"
    } else if predicted >= experts {
      reason = "'predict' is \(predicted), and a layer has \(experts) experts: leave it out"
    } else if experts > BlockExecution.mostPredictable {
      reason =
        "'predict' counts pairs of at most \(BlockExecution.mostPredictable) experts, and a layer has "
        + "\(experts)"
    }
    guard let reason else { return true }
    problems.add(reason, at: place("policies", "execution", "predict"))
    return false
  }

  /// `10 %`: more than nothing, at most all.
  func share(_ key: String, _ value: Value) -> Double? {
    guard let text = value.text(key, problems) else { return nil }
    let digits = text.hasSuffix("%") ? text.dropLast().trimmingSuffix(while: { $0 == " " }) : ""
    guard let number = Double(digits), number > 0, number <= 100 else {
      problems.add(
        "'\(key)' is '\(text)'; it must be more than 0 % and at most 100 %, like '10 %'",
        at: value.location)
      return nil
    }
    return number / 100
  }
}

extension Substring {
  fileprivate func trimmingSuffix(while predicate: (Character) -> Bool) -> Substring {
    var rest = self
    while let last = rest.last, predicate(last) { rest.removeLast() }
    return rest
  }
}
