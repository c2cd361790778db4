extension RoutingTrace {
  /// How many of some tokens chose each expert: `[layer][expert]`.
  ///
  /// O(tokens x layers x k), about a third of a nanosecond for each selection.
  public func expertTokens(in range: Range<Int>) -> [UInt32] {
    precondition(range.lowerBound >= 0 && range.upperBound <= tokens, "tokens are in the trace")
    let stride = powerOfTwo(notBelow: shape.experts)
    var rows = [UInt32](repeating: 0, count: shape.layers * stride)
    rows.withUnsafeMutableBufferPointer { rows in
      guard let rows = rows.baseAddress else { return }
      withIDs { ids in
        ids.forEachBlock(tokens: range, row: shape.selectionsPerToken) { ids, _ in
          countExperts(ids, layers: shape.layers, topK: shape.topK, rows, stride)
        }
      }
    }
    if stride == shape.experts { return rows }
    return (0..<shape.layers).flatMap { rows[$0 * stride..<$0 * stride + shape.experts] }
  }
}

/// The histogram loop. Masked ids stay within their row even in a damaged trace.
private func countExperts(
  _ ids: UnsafeBufferPointer<UInt16>, layers: Int, topK: Int,
  _ counts: UnsafeMutablePointer<UInt32>, _ stride: Int
) {
  guard var id = ids.baseAddress else { return }
  let end = id + ids.count
  let mask = stride &- 1
  while id < end {
    var row = counts
    for _ in 0..<layers {
      var choice = 0
      while choice < topK {
        row[Int(truncatingIfNeeded: id[choice]) & mask] &+= 1
        choice &+= 1
      }
      id += topK
      row += stride
    }
  }
}
