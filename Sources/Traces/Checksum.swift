/// XXH64, the 64-bit hash of Yann Collet's xxHash (specification: xxhash_spec.md in the xxHash
/// repository), with seed 0; fed in pieces. It finds accidents, not forgeries.
///
/// Four independent lanes take 32 bytes a round: about the speed of memory in a release build. A
/// change of one 8-byte word always changes its lane, since a round is a bijection.
struct Checksum {
  private var lanes: (UInt64, UInt64, UInt64, UInt64) = (
    prime1 &+ prime2, prime2, 0, 0 &- prime1
  )
  private var length: UInt64 = 0
  /// Bytes that do not fill a round yet: fewer than 32.
  private var rest: [UInt8] = []

  private static let prime1: UInt64 = 0x9E37_79B1_85EB_CA87
  private static let prime2: UInt64 = 0xC2B2_AE3D_27D4_EB4F
  private static let prime3: UInt64 = 0x1656_67B1_9E37_79F9
  private static let prime4: UInt64 = 0x85EB_CA77_C2B2_AE63
  private static let prime5: UInt64 = 0x27D4_EB2F_1656_67C5

  /// The hash of `bytes`.
  static func of(_ bytes: UnsafeRawBufferPointer) -> UInt64 {
    var checksum = Checksum()
    checksum.update(bytes)
    return checksum.value
  }

  mutating func update(_ bytes: UnsafeRawBufferPointer) {
    length &+= UInt64(bytes.count)
    var bytes = bytes
    if !rest.isEmpty {
      let taken = min(32 - rest.count, bytes.count)
      rest.append(contentsOf: UnsafeRawBufferPointer(rebasing: bytes[..<taken]))
      bytes = UnsafeRawBufferPointer(rebasing: bytes[taken...])
      guard rest.count == 32 else { return }
      rest.withUnsafeBytes { takeRounds($0) }
      rest.removeAll(keepingCapacity: true)
    }
    takeRounds(bytes)
    rest.append(contentsOf: UnsafeRawBufferPointer(rebasing: bytes[(bytes.count & ~31)...]))
  }

  /// Consumes as many whole rounds of 32 bytes as there are.
  private mutating func takeRounds(_ bytes: UnsafeRawBufferPointer) {
    guard let base = bytes.baseAddress else { return }
    var (a, b, c, d) = lanes
    var offset = 0
    let end = bytes.count & ~31
    while offset < end {
      a = Self.round(a, word(base, offset))
      b = Self.round(b, word(base, offset &+ 8))
      c = Self.round(c, word(base, offset &+ 16))
      d = Self.round(d, word(base, offset &+ 24))
      offset &+= 32
    }
    lanes = (a, b, c, d)
  }

  /// The hash of all bytes so far.
  var value: UInt64 {
    var hash = Self.prime5
    if length >= 32 {
      let (a, b, c, d) = lanes
      hash = rotate(a, 1) &+ rotate(b, 7) &+ rotate(c, 12) &+ rotate(d, 18)
      for lane in [a, b, c, d] {
        hash = (hash ^ Self.round(0, lane)) &* Self.prime1 &+ Self.prime4
      }
    }
    hash &+= length
    hash = rest.withUnsafeBytes { Self.absorb($0, into: hash) }
    hash = (hash ^ (hash >> 33)) &* Self.prime2
    hash = (hash ^ (hash >> 29)) &* Self.prime3
    return hash ^ (hash >> 32)
  }

  private static func absorb(_ tail: UnsafeRawBufferPointer, into start: UInt64) -> UInt64 {
    guard let base = tail.baseAddress else { return start }
    var hash = start
    var offset = 0
    while offset + 8 <= tail.count {
      hash = rotate(hash ^ round(0, word(base, offset)), 27) &* prime1 &+ prime4
      offset += 8
    }
    if offset + 4 <= tail.count {
      let half = UInt64(base.loadUnaligned(fromByteOffset: offset, as: UInt32.self).littleEndian)
      hash = rotate(hash ^ (half &* prime1), 23) &* prime2 &+ prime3
      offset += 4
    }
    for byte in tail[offset...] { hash = rotate(hash ^ (UInt64(byte) &* prime5), 11) &* prime1 }
    return hash
  }

  @inline(__always)
  private static func round(_ lane: UInt64, _ word: UInt64) -> UInt64 {
    rotate(lane &+ word &* prime2, 31) &* prime1
  }
}

@inline(__always)
private func rotate(_ value: UInt64, _ count: UInt64) -> UInt64 {
  value &<< count | value &>> (64 &- count)
}

@inline(__always)
private func word(_ base: UnsafeRawPointer, _ offset: Int) -> UInt64 {
  base.loadUnaligned(fromByteOffset: offset, as: UInt64.self).littleEndian
}
