extension RoutingTrace {
  /// How many of some tokens chose each expert: `[layer][expert]`.
  ///
  /// O(tokens x layers x k), well below a nanosecond for each selection.
  public func expertTokens(in range: Range<Int>) -> [UInt32] {
    precondition(range.lowerBound >= 0 && range.upperBound <= tokens, "tokens are in the trace")
    let stride = powerOfTwo(notBelow: shape.experts)
    var rows = [UInt32](repeating: 0, count: shape.layers * stride)
    rows.withUnsafeMutableBufferPointer { rows in
      guard let rows = rows.baseAddress else { return }
      withIDs { ids in
        switch ids {
        case .narrow(let ids): countExperts(ids, range, shape, rows, stride)
        case .wide(let ids): countExperts(ids, range, shape, rows, stride)
        }
      }
    }
    if stride == shape.experts { return rows }
    return (0..<shape.layers).flatMap { rows[$0 * stride..<$0 * stride + shape.experts] }
  }
}

/// The histogram: blocks of tokens, each copied to where it stays in the first-level cache while the
/// layers pass over it, with one row of counts at a time (1 KB for 256 experts) beside it. The rows
/// of all layers would not fit, and layer by layer from the trace itself each cache line would be
/// waited for.
private func countExperts<ID: FixedWidthInteger & UnsignedInteger>(
  _ ids: UnsafePointer<ID>, _ tokens: Range<Int>, _ shape: RoutingShape,
  _ counts: UnsafeMutablePointer<UInt32>, _ stride: Int
) {
  let rowLength = shape.selectionsPerToken
  let tokensAtOnce = max(1, (1 << 13) / rowLength)
  let room = UnsafeMutablePointer<ID>.allocate(capacity: tokensAtOnce * rowLength)
  defer { room.deallocate() }
  var first = tokens.lowerBound
  while first < tokens.upperBound {
    let count = min(tokensAtOnce, tokens.upperBound - first) * rowLength
    room.update(from: ids + first * rowLength, count: count)
    countBlock(
      UnsafePointer(room), count, rowLength, layers: shape.layers, shape.topK, counts, stride)
    first += tokensAtOnce
  }
}

/// The innermost loops. The usual values of k are spelled out, so that the compiler unrolls them;
/// masked ids stay within their row even in a damaged trace.
private func countBlock<ID: FixedWidthInteger & UnsignedInteger>(
  _ ids: UnsafePointer<ID>, _ count: Int, _ rowLength: Int, layers: Int, _ topK: Int,
  _ counts: UnsafeMutablePointer<UInt32>, _ stride: Int
) {
  let end = ids + count
  @inline(__always)
  func countLayers(_ topK: Int, mask: Int) {
    for layer in 0..<layers {
      let row = counts + layer &* stride
      var id = ids + layer &* topK
      while id < end {
        for choice in 0..<topK { row[Int(truncatingIfNeeded: id[choice]) & mask] &+= 1 }
        id += rowLength
      }
    }
  }
  switch (topK, stride) {
  case (8, 256): countLayers(8, mask: 255)  // of bytes, no mask at all
  case (1, _): countLayers(1, mask: stride &- 1)
  case (2, _): countLayers(2, mask: stride &- 1)
  case (4, _): countLayers(4, mask: stride &- 1)
  case (6, _): countLayers(6, mask: stride &- 1)
  case (8, _): countLayers(8, mask: stride &- 1)
  default: countLayers(topK, mask: stride &- 1)
  }
}
