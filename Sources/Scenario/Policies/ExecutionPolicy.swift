import Serving
import StrictYAML
import Units

/// Which processor runs each piece of expert work:
///
/// ```yaml
/// execution: resident                     # experts stay in the memory of the device that runs them
/// execution: fetch                        # they live in the companion's memory and are moved for each use
/// execution: companion                    # the device's companion runs them
/// execution: {kind: fastest, attention: fastest}
/// execution: {kind: split, spaces: 4, attention: companion}
/// execution: {kind: split, hot: formula, alpha: 1.5}
/// execution: {kind: streamed, attention: companion, kv-cache: 70 GB}     # the companion holds all weights
/// execution: {kind: blocks, tokens: 50, choice: allocator}      # any device, see BlockPolicy
/// ```
enum ExecutionKind: String, PolicyKind {
  case resident, fetch, companion, fastest, split, streamed, blocks

  var keys: [String] {
    switch self {
    case .resident, .companion, .fastest: ["attention"]
    case .fetch: []
    case .split: ["attention", "spaces", "hot", "alpha"]
    case .streamed: ["attention", "kv-cache", "copies"]
    case .blocks: BlockPolicy.keys
    }
  }
}

/// How copies of weights and vectors of tokens come to the link:
///
/// ```yaml
/// copies: fair                                        # they share it at every moment
/// copies: {kind: queued, chunk: 100 MB, first: vectors}   # one after the other; chunk: layer cuts nothing
/// ```
private enum CopiesKind: String, PolicyKind {
  case fair, queued

  var keys: [String] { self == .fair ? [] : ["chunk", "first"] }
}

/// How a split finds the experts of each side.
private enum HotExperts: String, CaseIterable {
  case search, formula
}

extension ScenarioReader {
  func executionPolicy(_ value: Value) -> ExpertExecution? {
    guard let reader = PolicyReader<ExecutionKind>("execution", value, problems) else {
      return nil
    }
    defer { reader.finish() }
    let attention =
      reader.kind.keys.contains("attention")
      ? reader.mapping?.optional("attention").map {
        $0.word("attention", ExpertExecution.Attention.self, problems)
      } : nil
    if let attention, attention == nil { return nil }
    let split = reader.kind == .split ? self.split(reader.mapping) : nil
    let experts: ExpertExecution.Experts
    switch reader.kind {
    case .resident: experts = .resident
    case .fetch: experts = .fetch
    case .companion: experts = .companion
    case .fastest: experts = .fastest
    case .split:
      guard let split else { return nil }
      experts = .split(split)
    case .streamed:
      guard let streamed = streamed(reader.mapping) else { return nil }
      experts = .streamed(streamed)
    case .blocks:
      guard let blocks = blockPolicy(reader.mapping, at: value.location) else { return nil }
      experts = .blocks(blocks)
    }
    return ExpertExecution(experts: experts, attention: (attention ?? nil) ?? .device)
  }

  private func streamed(_ mapping: MappingReader?) -> StreamedWeights? {
    var streamed = StreamedWeights()
    if let written = mapping?.optional("kv-cache") {
      guard let cache = written.quantity("kv-cache", Byte.self, problems) else { return nil }
      streamed.cache = cache
    }
    if let written = mapping?.optional("copies") {
      guard let copies = copies(written) else { return nil }
      streamed.copies = copies
    }
    return streamed
  }

  private func copies(_ value: Value) -> StreamedWeights.Copies? {
    guard let reader = PolicyReader<CopiesKind>("copies", value, problems) else { return nil }
    defer { reader.finish() }
    guard reader.kind == .queued else { return .fair }
    var queue = CopyQueue()
    guard let mapping = reader.mapping else { return .queued(queue) }
    guard let first = mapping.word("first", CopyQueue.First.self, default: queue.first) else {
      return nil
    }
    queue.first = first
    if first == .weights { queue.chunk = nil }
    guard let chunk = mapping.optional("chunk") else { return .queued(queue) }
    guard first != .weights else {
      problems.add(
        "'chunk' has no effect with 'first: weights': pieces would follow each other all the same",
        at: mapping.location(of: "chunk"))
      return nil
    }
    queue.chunk = nil
    if !chunk.isWord("layer") {
      guard let bytes = chunk.quantity("chunk", Byte.self, problems) else { return nil }
      queue.chunk = bytes
    }
    return .queued(queue)
  }

  private func split(_ mapping: MappingReader?) -> ExpertExecution.Split? {
    guard let mapping else { return ExpertExecution.Split(choice: .search) }
    let spaces = mapping.optionalInteger("spaces", in: 2...1024)
    let hot = mapping.word("hot", HotExperts.self, default: .search)
    let alpha = mapping.optional("alpha")
    guard let hot, !mapping.has("spaces") || spaces != nil else { return nil }
    guard hot == .formula else {
      guard let alpha else { return ExpertExecution.Split(spaces: spaces, choice: .search) }
      problems.add("'alpha' has no effect with 'hot: search'", at: alpha.location)
      return nil
    }
    guard spaces == nil else {
      problems.add(
        "'spaces' has no effect with 'hot: formula'", at: mapping.location(of: "spaces"))
      return nil
    }
    let factor = alpha.map { $0.number("alpha", in: 0.001...1000, problems) } ?? 1
    return factor.map { ExpertExecution.Split(choice: .formula(alpha: $0)) }
  }
}

extension ExpertExecution {
  /// The kind with its options.
  var words: String {
    let beside: String =
      switch attention {
      case .device: ""
      case .companion: ", decode attention on the companion"
      case .fastest: ", decode attention where it is faster"
      }
    let kind: String =
      switch experts {
      case .resident: "resident"
      case .fetch: "fetched from the companion's memory"
      case .companion: "on the companion"
      case .fastest: "on the device or its companion, whichever is faster"
      case .split(let split):
        "split between device and companion"
          + (split.spaces.map { ", in \($0) memory spaces" } ?? "")
          + (split.choice == .search ? "" : ", by the bandwidths' formula")
      case .streamed(let streamed):
        "weights streamed from the companion's memory"
          + (streamed.cache.map { ", \($0) of it for the KV cache" } ?? "")
          + (streamed.copies?.words ?? "")
      case .blocks(let blocks): blocks.words
      }
    return kind + beside
  }
}

extension StreamedWeights.Copies {
  fileprivate var words: String {
    switch self {
    case .fair: ", copies sharing the link"
    case .queued(let queue):
      ", copies in turn, weights "
        + (queue.chunk.map { "by pieces of \($0)" } ?? "whole")
        + (queue.first == .oldest ? "" : ", \(queue.first.rawValue) first")
    }
  }
}
