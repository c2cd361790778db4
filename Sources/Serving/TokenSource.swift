import Models
import Statistics
import Traces

/// Chooses which of a trace's tokens stand for the sequences of each iteration.
///
/// Each attention group keeps `batch` places. In decode a place follows one recorded sequence, a token
/// an iteration (with guesses, as many as it verifies), from a random token of it on, as in a batch
/// whose sequences began at different times; when it ends the next sequence takes the place from its
/// beginning. In prefill a place takes the next `context` prompt tokens, going on with another
/// sequence's where a prompt is too short.
///
/// Sequences come in a random order without repetition where the trace has enough of them for all
/// places, and at random with replacement where it has not. All draws are from one stream of the user's
/// naming.
struct TokenSource {
  private struct Place {
    var next: Int
    var end: Int
    /// The index of its span, which no other place has where draws are without replacement.
    var span: Int
  }

  private let spans: [Range<Int>]
  private var order: [Int] = []
  private var taken = 0
  private var isInUse: [Bool] = []
  private var places: [Place] = []
  private var random: RandomStream
  private let tokensPerPlace: Int
  private let groups: Int
  private let batch: Int
  /// Whether one recorded sequence may stand for several at a time.
  let drawsWithReplacement: Bool

  /// - Parameter stream: The random stream's name; another user's draws are from another.
  init(
    _ workload: Workload, groups: Int, seed: UInt64, stream: String = "sequences"
  ) throws(ServingError) {
    let isDecode = workload.phase == .decode
    spans = workload.trace.sequences.map { isDecode ? $0.decode : $0.prefill }
      .filter { !$0.isEmpty }
    guard !spans.isEmpty else {
      throw .noTokens(phase: workload.phase.rawValue, file: workload.trace.file)
    }
    self.groups = groups
    batch = workload.batch
    tokensPerPlace = workload.tokensPerSequence
    drawsWithReplacement = groups * workload.batch > spans.count
    random = RandomStream(seed: seed, name: stream)
    order = Array(spans.indices)
    isInUse = [Bool](repeating: false, count: spans.count)
    if !drawsWithReplacement { random.shuffle(&order) }
    for _ in 0..<groups * workload.batch {
      var place = nextPlace()
      if isDecode { place.next += random.below(place.end - place.next) }
      places.append(place)
    }
  }

  /// The beginning of the next sequence: one that no place is at, unless draws are with replacement.
  private mutating func nextPlace() -> Place {
    var index = drawsWithReplacement ? random.below(spans.count) : order[taken % order.count]
    while !drawsWithReplacement, isInUse[index] {
      taken += 1
      index = order[taken % order.count]
    }
    taken += 1
    isInUse[index] = true
    return Place(next: spans[index].lowerBound, end: spans[index].upperBound, span: index)
  }

  /// The tokens that some places of each group have in the next iteration, each group's dealt in equal
  /// runs to its `devicesPerGroup` devices.
  ///
  /// - Parameter places: A microbatch's, by their numbers in the group. Between two iterations each
  ///   place is taken once.
  mutating func nextBatch(
    of places: Range<Int>, into replay: inout ReplayBatch, devicesPerGroup: Int
  ) {
    replay.removeAll()
    let count = places.count * tokensPerPlace
    var tokens: [Int] = []
    tokens.reserveCapacity(count)
    for group in 0..<groups {
      tokens.removeAll(keepingCapacity: true)
      for place in places { take(tokensPerPlace, from: group * batch + place, into: &tokens) }
      for device in 0..<devicesPerGroup {
        replay.appendRank(tokens[share(device, of: count, among: devicesPerGroup)])
      }
    }
  }

  /// The first token of each place that `replay` has tokens of, dealt alike.
  func firstTokens(
    of replay: ReplayBatch, into first: inout ReplayBatch, devicesPerGroup: Int
  ) {
    first.removeAll()
    let count = replay.tokens.count / groups
    for group in 0..<groups {
      let tokens = stride(from: group * count, to: (group + 1) * count, by: tokensPerPlace)
        .map { replay.tokens[$0] }
      for device in 0..<devicesPerGroup {
        first.appendRank(tokens[share(device, of: tokens.count, among: devicesPerGroup)])
      }
    }
  }

  /// Takes the next tokens of one place, counted over all groups.
  mutating func take(_ count: Int, from place: Int, into tokens: inout [Int]) {
    for _ in 0..<count {
      if places[place].next == places[place].end {
        isInUse[places[place].span] = false
        places[place] = nextPlace()
      }
      tokens.append(places[place].next)
      places[place].next += 1
    }
  }
}

/// The part of `count` things in a row that the `index`-th of `parts` gets.
func share(_ index: Int, of count: Int, among parts: Int) -> Range<Int> {
  count * index / parts..<count * (index + 1) / parts
}
