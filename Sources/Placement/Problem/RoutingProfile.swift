import Statistics
import Traces

/// What a placement needs to know of a trace: how many tokens each expert gets in windows of
/// requests, which experts follow one another, and which are taken together.
///
///     let parts = try RoutingProfile.split(trace, share: 0.5)
///     let seen = try RoutingProfile(of: trace, sequences: parts.profiled)
///     let unseen = try RoutingProfile(of: trace, sequences: parts.heldOut)
///
/// Counts are of the trace's tokens; ``problem(groups:groupsPerNode:slotsPerGroup:redundant:iterationTokens:workSeconds:)``
/// scales them to the tokens of one iteration.
public struct RoutingProfile: Sendable {
  public let layers: Int
  public let experts: Int
  public let topK: Int
  public let tokens: Int
  /// Tokens of each window, `[window]`. Windows are whole requests, each with about as many tokens as any
  /// other. Of those that do not overlap there are no more than requests; halves of one request are all of it.
  public private(set) var windowTokens: [Int] = []
  /// Tokens that chose an expert, `[window][layer][expert]`.
  public private(set) var expertTokens: [Double] = []
  /// `[layer][this][next]` as in ``PlacementProblem/transitions``; empty for one layer or more
  /// experts than ``mostTransitionExperts``.
  public private(set) var transitions: [Double] = []
  public private(set) var sets: ExpertSets

  /// Which requests are in a window together.
  public enum Windowing: Hashable, Sendable {
    /// Any, drawn by the seed: what differs between windows is chance, as between batches of requests
    /// that do not depend on one another.
    case shuffled(seed: UInt64)
    /// Runs of the trace's order: what differs is what the trace goes through, such as hours or topics.
    case consecutive
    /// Random halves, drawn by the seed, by twos that have all requests between them: a request is in every
    /// other window. A half is by chance as far from the whole as the whole is from what requests are like on
    /// the average, so that what is balanced in all of them is not balanced by that chance. (Half
    /// samples: McCarthy, "Pseudo-replication: half samples", Review of the International Statistical
    /// Institute 37(3), 1969.)
    case halves(seed: UInt64)
  }

  /// A matrix of transitions has experts squared numbers for each layer.
  public static let mostTransitionExperts = 1024

  /// Divides a trace's requests at random, by tokens: a share to profile, the others to judge by.
  ///
  /// - Throws: ``PlacementProblemError/emptyPart(share:requests:tokens:)`` where a part would be empty.
  public static func split(
    _ trace: RoutingTrace, share: Double, seed: UInt64 = 0
  ) throws(PlacementProblemError) -> (profiled: [Int], heldOut: [Int]) {
    var order = trace.sequences.indices.filter { trace.sequences[$0].tokens > 0 }
    var random = RandomStream(seed: seed, name: "profile split")
    random.shuffle(&order)
    // Of these sequences: the trace may be a part of its recording.
    let tokens = order.reduce(0) { $0 + trace.sequences[$1].tokens }
    let goal = share * Double(tokens)
    var (profiled, heldOut): ([Int], [Int]) = ([], [])
    var taken = 0.0
    for sequence in order {
      let tokens = Double(trace.sequences[sequence].tokens)
      if taken + tokens / 2 <= goal {
        profiled.append(sequence)
        taken += tokens
      } else {
        heldOut.append(sequence)
      }
    }
    guard !profiled.isEmpty, !heldOut.isEmpty else {
      throw .emptyPart(share: share, requests: order.count, tokens: tokens)
    }
    return (profiled.sorted(), heldOut.sorted())
  }

  /// Counts some of a trace's requests; O(tokens x layers x k^2).
  ///
  /// - Parameters:
  ///   - sequences: indices of ``RoutingTrace/sequences``; all where `nil`.
  ///   - phase: counts only prompts' tokens, or only generated ones.
  ///   - windows: how many windows of requests to keep apart, one where it is less; of halves the next even
  ///     number.
  ///   - windowing: which requests are in a window together.
  ///   - mostSets: of a layer; where more distinct sets are possible, as many tokens are sampled at
  ///     equal distances.
  /// - Throws: ``PlacementProblemError/shortTrace(requests:tokens:choices:experts:)`` where there are no
  ///   tokens, or fewer choices of experts than experts: most of these would have no load at all.
  public init(
    of trace: RoutingTrace, sequences: [Int]? = nil, phase: TokenPhase? = nil, windows: Int = 8,
    windowing: Windowing = .shuffled(seed: 0), mostSets: Int = 4096
  ) throws(PlacementProblemError) {
    let ranges = (sequences ?? Array(trace.sequences.indices)).map { index in
      let sequence = trace.sequences[index]
      switch phase {
      case .prefill: return sequence.prefill
      case .decode: return sequence.decode
      case nil: return sequence.firstToken..<sequence.firstToken + sequence.tokens
      }
    }.filter { !$0.isEmpty }
    tokens = ranges.reduce(0) { $0 + $1.count }
    (layers, experts, topK) = (trace.shape.layers, trace.shape.experts, trace.shape.topK)
    guard tokens > 0, tokens * topK >= experts else {
      throw .shortTrace(
        requests: ranges.count, tokens: tokens, choices: tokens * topK, experts: experts)
    }
    sets = ExpertSets(topK: 1, starts: [0], members: [], tokens: [])
    let windows = Self.windows(of: ranges, count: max(1, windows), windowing)
    windowTokens = windows.map { $0.reduce(0) { $0 + ranges[$1].count } }
    var windowsOfRange = [[Int]](repeating: [], count: ranges.count)
    for (window, members) in windows.enumerated() {
      for member in members { windowsOfRange[member].append(window) }
    }
    let table = layers * experts
    expertTokens = [Double](repeating: 0, count: windows.count * table)
    for (range, own) in zip(ranges, windowsOfRange) {
      let counts = trace.expertTokens(in: range)
      for window in own {
        for cell in 0..<table { expertTokens[window * table + cell] += Double(counts[cell]) }
      }
    }
    countTransitions(ranges, trace)
    sets = Self.sets(of: ranges, trace, most: mostSets, tokens: tokens)
  }

  /// Indices of the ranges of each window; none is empty.
  private static func windows(
    of ranges: [Range<Int>], count: Int, _ windowing: Windowing
  ) -> [[Int]] {
    var order = Array(ranges.indices)
    switch windowing {
    case .consecutive: return runs(of: order, in: ranges, count: count)
    case .shuffled(let seed):
      var random = RandomStream(seed: seed, name: "profile windows")
      random.shuffle(&order)
      return runs(of: order, in: ranges, count: count)
    case .halves(let seed):
      var random = RandomStream(seed: seed, name: "profile halves")
      return (0..<(count + 1) / 2).flatMap { _ in
        random.shuffle(&order)
        return runs(of: order, in: ranges, count: 2)
      }
    }
  }

  /// Runs of ranges with about equally many tokens, none empty.
  private static func runs(of order: [Int], in ranges: [Range<Int>], count: Int) -> [[Int]] {
    let total = ranges.reduce(0) { $0 + $1.count }
    let count = min(count, ranges.count)
    var runs: [[Int]] = [[]]
    var passed = 0
    for (place, range) in order.enumerated() {
      let isFull = passed * count >= runs.count * total
      let mustOpen = order.count - place <= count - runs.count
      if !runs[runs.count - 1].isEmpty, runs.count < count, isFull || mustOpen {
        runs.append([])
      }
      runs[runs.count - 1].append(range)
      passed += ranges[range].count
    }
    return runs
  }

  private mutating func countTransitions(_ ranges: [Range<Int>], _ trace: RoutingTrace) {
    guard layers > 1, experts <= Self.mostTransitionExperts else { return }
    let (layers, experts, topK) = (layers, experts, topK)
    var pairs = [UInt32](repeating: 0, count: (layers - 1) * experts * experts)
    pairs.withUnsafeMutableBufferPointer { pairs in
      for range in ranges {
        trace.forEachBlock(of: range) { ids, _ in
          countPairs(ids, layers: layers, experts: experts, topK: topK, into: pairs)
        }
      }
    }
    let weight = 1 / Double(topK)
    transitions = pairs.map { Double($0) * weight }
  }

  private static func sets(
    of ranges: [Range<Int>], _ trace: RoutingTrace, most: Int, tokens: Int
  ) -> ExpertSets {
    let shape = trace.shape
    let possible = SubsetRanks(experts: shape.experts, topK: shape.topK, most: most)
    var counts = [[Double]](
      repeating: [Double](repeating: 0, count: possible?.count ?? 0), count: shape.layers)
    var members = [[UInt16]](repeating: [], count: shape.layers)
    let samples = possible == nil ? min(most, tokens) : tokens
    var place = 0
    for range in ranges {
      trace.forEachBlock(of: range) { ids, _ in
        for row in stride(from: 0, to: ids.count, by: shape.selectionsPerToken) {
          defer { place += 1 }
          guard (place + 1) * samples / tokens > place * samples / tokens else { continue }
          for layer in 0..<shape.layers {
            let first = row + layer * shape.topK
            let set = ids[first..<first + shape.topK].map { min($0, UInt16(shape.experts - 1)) }
              .sorted()
            if let possible {
              counts[layer][possible.rank(of: set)] += 1
            } else {
              members[layer] += set
            }
          }
        }
      }
    }
    if let possible { return possible.sets(counts: counts) }
    return ExpertSets(
      topK: shape.topK, starts: (0...shape.layers).map { $0 * samples },
      members: members.flatMap { $0 },
      tokens: [Double](
        repeating: Double(tokens) / Double(samples), count: samples * shape.layers))
  }
}

/// Counts the pairs of a block; a damaged id counts as the last expert.
private func countPairs(
  _ ids: UnsafeBufferPointer<UInt16>, layers: Int, experts: Int, topK: Int,
  into pairs: UnsafeMutableBufferPointer<UInt32>
) {
  let row = layers * topK
  for layer in 0..<layers - 1 {
    let matrix = layer * experts * experts
    var first = layer * topK
    while first < ids.count {
      for choice in first..<first + topK {
        let this = matrix + min(Int(ids[choice]), experts - 1) * experts
        for next in first + topK..<first + 2 * topK {
          pairs[this + min(Int(ids[next]), experts - 1)] += 1
        }
      }
      first += row
    }
  }
}

/// Numbers all sets of k experts: the combinatorial number system, in which the set c1 < c2 < ... has
/// the number C(c1, 1) + C(c2, 2) + ...
private struct SubsetRanks {
  let experts: Int
  let topK: Int
  let count: Int
  /// C(n, k), `[n][k]`
  private let binomials: [[Int]]

  /// `nil` where there are more than `most`.
  init?(experts: Int, topK: Int, most: Int) {
    var rows = [[Int]](repeating: [Int](repeating: 0, count: topK + 1), count: experts + 1)
    for n in 0...experts {
      rows[n][0] = 1
      if n > 0 {
        for k in 1...topK {
          rows[n][k] = min(Int(UInt32.max), rows[n - 1][k - 1] + rows[n - 1][k])
        }
      }
    }
    guard rows[experts][topK] <= most else { return nil }
    (self.experts, self.topK, count, binomials) = (experts, topK, rows[experts][topK], rows)
  }

  func rank(of set: [UInt16]) -> Int {
    var rank = 0
    for (index, expert) in set.enumerated() { rank += binomials[Int(expert)][index + 1] }
    return min(rank, count - 1)
  }

  func members(ofRank rank: Int) -> [UInt16] {
    var rest = rank
    var set = [UInt16](repeating: 0, count: topK)
    for k in stride(from: topK, to: 0, by: -1) {
      var expert = k - 1
      while expert + 1 < experts, binomials[expert + 1][k] <= rest { expert += 1 }
      rest -= binomials[expert][k]
      set[k - 1] = UInt16(expert)
    }
    return set
  }

  func sets(counts: [[Double]]) -> ExpertSets {
    var (starts, members, tokens): ([Int], [UInt16], [Double]) = ([0], [], [])
    for layer in counts {
      for (rank, count) in layer.enumerated() where count > 0 {
        members += self.members(ofRank: rank)
        tokens.append(count)
      }
      starts.append(tokens.count)
    }
    return ExpertSets(topK: topK, starts: starts, members: members, tokens: tokens)
  }
}

extension RoutingProfile {
  /// The problem of placing the experts for iterations of `iterationTokens` tokens.
  ///
  /// - Parameters:
  ///   - copySeconds: of an expert's work, what every copy costs: ``PlacementProblem/workPerCopy`` by
  ///     the expert's tokens.
  ///   - workSeconds: what an expert's tokens of one iteration cost the group that holds it: layer,
  ///     expert, tokens. Called for each window.
  /// - Throws: ``PlacementProblemError`` where sizes do not fit one another.
  public func problem(
    groups: Int, groupsPerNode: Int? = nil, slotsPerGroup: Int? = nil, redundant: Int = 0,
    iterationTokens: Double, copySeconds: ((Double) -> Double)? = nil,
    workSeconds: (Int, Int, Double) -> Double
  ) throws(PlacementProblemError) -> PlacementProblem {
    var work = expertTokens
    let table = layers * experts
    for index in work.indices {
      let scale = iterationTokens / Double(windowTokens[index / table])
      work[index] = workSeconds(
        index % table / experts, index % experts, expertTokens[index] * scale)
    }
    var perCopy: [Double] = []
    if redundant > 0, let copySeconds {
      perCopy = expertTokens.indices.map {
        copySeconds(expertTokens[$0] * iterationTokens / Double(windowTokens[$0 / table]))
      }
    }
    var problem = try PlacementProblem(
      layers: layers, experts: experts, groups: groups, groupsPerNode: groupsPerNode,
      slotsPerGroup: slotsPerGroup, redundant: redundant, work: work,
      windowWeights: windowTokens.map { Double($0) })
    problem.workPerCopy = zip(perCopy, work).map { min($0, $1) }
    let scale = iterationTokens / Double(tokens)
    problem.transitions = transitions.map { $0 * scale }
    problem.sets = ExpertSets(
      topK: sets.topK, starts: sets.starts, members: sets.members,
      tokens: sets.tokens.map { $0 * scale })
    return problem
  }
}
