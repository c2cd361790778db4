/// Expert ids of either width, `[token][layer][k]`, as they lie in memory; valid while their owner is.
///
/// What is not the innermost loop of a replay reads them through ``forEachBlock(tokens:row:_:)``, as
/// UInt16: one code for both widths, at about the speed of memory, and quick in a debug build too,
/// where generic code over integers takes tens of times as long.
enum ExpertIDs {
  case narrow(UnsafePointer<UInt8>)
  case wide(UnsafePointer<UInt16>)

  /// The id at a flat index.
  subscript(index: Int) -> Int {
    switch self {
    case .narrow(let ids): Int(ids[index])
    case .wide(let ids): Int(ids[index])
    }
  }

  /// Appends one token's ids.
  func append(token: Int, row: Int, to block: inout [UInt16]) {
    switch self {
    case .narrow(let ids):
      for index in token * row..<(token + 1) * row { block.append(UInt16(ids[index])) }
    case .wide(let ids):
      block.append(contentsOf: UnsafeBufferPointer(start: ids + token * row, count: row))
    }
  }

  /// Calls `body` with blocks of whole tokens: their ids and the token that they begin with.
  ///
  /// - Parameter row: the ids of one token.
  func forEachBlock<Failure: Error>(
    tokens: Range<Int>, row: Int,
    _ body: (UnsafeBufferPointer<UInt16>, Int) throws(Failure) -> Void
  ) throws(Failure) {
    let tokensAtOnce = max(1, (1 << 13) / row)
    let room = UnsafeMutablePointer<UInt16>.allocate(capacity: tokensAtOnce * row)
    defer { room.deallocate() }
    var token = tokens.lowerBound
    while token < tokens.upperBound {
      let count = min(tokensAtOnce, tokens.upperBound - token) * row
      let ids: UnsafePointer<UInt16>
      switch self {
      case .narrow(let narrow):
        widen(narrow + token * row, count, into: room)
        ids = UnsafePointer(room)
      case .wide(let wide): ids = wide + token * row
      }
      try body(UnsafeBufferPointer(start: ids, count: count), token)
      token += tokensAtOnce
    }
  }

  /// The first place whose id is `bound` or more, among `count` ids.
  func firstIndex(notBelow bound: Int, count: Int) -> Int? {
    if case .narrow = self, bound > Int(UInt8.max) { return nil }
    if bound > Int(UInt16.max) { return nil }
    var place: Int?
    forEachBlock(tokens: 0..<count, row: 1) { ids, first in
      if place == nil, Int(largest(of: ids)) >= bound {
        place = ids.firstIndex { $0 >= bound }.map { first + $0 }
      }
    }
    return place
  }
}

private func widen(
  _ narrow: UnsafePointer<UInt8>, _ count: Int, into wide: UnsafeMutablePointer<UInt16>
) {
  var index = 0
  while index < count {
    wide[index] = UInt16(truncatingIfNeeded: narrow[index])
    index &+= 1
  }
}

private func largest(of ids: UnsafeBufferPointer<UInt16>) -> UInt16 {
  guard let base = ids.baseAddress else { return 0 }
  var largest: UInt16 = 0
  var index = 0
  while index < ids.count {
    let id = base[index]
    largest = id > largest ? id : largest
    index &+= 1
  }
  return largest
}

extension ExpertIDs {
  /// The first place whose id stands earlier in its run of `topK`.
  func firstRepeated(of topK: Int, count: Int) -> Int? {
    switch self {
    case .narrow(let ids): firstRepeat(in: ids, runs: topK, count: count)
    case .wide(let ids): firstRepeat(in: ids, runs: topK, count: count)
    }
  }
}

/// O(count x run length).
private func firstRepeat<ID: FixedWidthInteger>(
  in ids: UnsafePointer<ID>, runs: Int, count: Int
) -> Int? {
  var start = 0
  while start < count {
    for place in start..<start + runs {
      var earlier = start
      while earlier < place, ids[earlier] != ids[place] { earlier &+= 1 }
      if earlier < place { return place }
    }
    start &+= runs
  }
  return nil
}
