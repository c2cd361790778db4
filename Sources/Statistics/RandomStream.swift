/// A seeded stream of random numbers with a name of its own.
///
///     var arrivals = RandomStream(seed: 7, name: "arrivals")
///     let pause = arrivals.uniform()
///
/// Every subsystem draws from its own stream, so that a draw added in one place moves nothing in
/// another. The same seed and name give the same numbers on every machine and in every build.
///
/// The generator is xoshiro256** (Blackman and Vigna, "Scrambled linear pseudorandom number
/// generators", ACM TOMS 47, 2021), its state filled by SplitMix64 from the seed and the FNV-1a
/// hash of the name. It is not fit for cryptography.
public struct RandomStream: RandomNumberGenerator, Sendable {
  @usableFromInline var state: (UInt64, UInt64, UInt64, UInt64)

  public init(seed: UInt64, name: String) {
    self.init(state: seed &+ stableHash(name))
  }

  /// One of many streams that share a name, such as one for each sequence of a batch.
  ///
  /// Costs no more than a few multiplications, so that a stream per item is affordable.
  public init(seed: UInt64, name: String, index: Int) {
    var mixer = SplitMix64(state: seed &+ stableHash(name))
    self.init(state: mixer.next() ^ UInt64(truncatingIfNeeded: index) &* 0xD6E8_FEB8_6659_FD93)
  }

  private init(state seed: UInt64) {
    var mixer = SplitMix64(state: seed)
    state = (mixer.next(), mixer.next(), mixer.next(), mixer.next())
  }

  /// 64 random bits.
  @inlinable
  public mutating func next() -> UInt64 {
    let result = rotateLeft(state.1 &* 5, by: 7) &* 9
    let shifted = state.1 << 17
    state.2 ^= state.0
    state.3 ^= state.1
    state.1 ^= state.2
    state.0 ^= state.3
    state.2 ^= shifted
    state.3 = rotateLeft(state.3, by: 45)
    return result
  }

  /// A number in 0 ..< 1, a multiple of 2^-53.
  @inlinable
  public mutating func uniform() -> Double {
    Double(next() >> 11) * 0x1p-53
  }

  /// A whole number in 0 ..< `bound`, each equally likely; `bound` must be positive.
  ///
  /// Lemire, "Fast random integer generation in an interval", ACM TOMACS 29, 2019: one
  /// multiplication, and a division only in the rare case that might be biased.
  @inlinable
  public mutating func below(_ bound: Int) -> Int {
    precondition(bound > 0, "below(_:) needs a positive bound")
    let range = UInt64(bound)
    var product = next().multipliedFullWidth(by: range)
    if product.low < range {
      let threshold = (0 &- range) % range
      while product.low < threshold { product = next().multipliedFullWidth(by: range) }
    }
    return Int(product.high)
  }

  /// Puts items in an order of which each is equally likely (Durstenfeld, CACM 7(7), 1964).
  public mutating func shuffle<Item>(_ items: inout [Item]) {
    for place in stride(from: items.count - 1, to: 0, by: -1) {
      items.swapAt(place, below(place + 1))
    }
  }
}

/// The 64-bit FNV-1a hash of a text's UTF-8 bytes; unlike Swift's own hash, the same in every run.
public func stableHash(_ text: String) -> UInt64 {
  var hash: UInt64 = 0xCBF2_9CE4_8422_2325
  for byte in text.utf8 { hash = (hash ^ UInt64(byte)) &* 0x0000_0100_0000_01B3 }
  return hash
}

/// Steele, Lea and Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014.
private struct SplitMix64 {
  var state: UInt64

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var mixed = state
    mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
    mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
    return mixed ^ (mixed >> 31)
  }
}

@inlinable
func rotateLeft(_ value: UInt64, by count: UInt64) -> UInt64 {
  value &<< count | value &>> (64 &- count)
}
