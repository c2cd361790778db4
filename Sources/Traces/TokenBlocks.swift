extension RoutingTrace {
  /// Calls `body` with blocks of whole tokens, in order: their expert ids, `[token][layer][k]`, and
  /// the token that the block begins with. The ids are valid during the call only; of a trace that was
  /// not verified they may be beyond the model's experts.
  ///
  /// For what ``RoutingCounts`` does not count; about the speed of memory.
  public func forEachBlock<Failure: Error>(
    of range: Range<Int>, _ body: (UnsafeBufferPointer<UInt16>, Int) throws(Failure) -> Void
  ) throws(Failure) {
    precondition(range.lowerBound >= 0 && range.upperBound <= tokens, "tokens are in the trace")
    try withIDs { ids throws(Failure) in
      try ids.forEachBlock(tokens: range, row: shape.selectionsPerToken, body)
    }
  }
}
