/// Attention of iterations that mix prompts and decoded tokens.
extension ModelArchitecture {
  /// The operators of ``attention(layer:of:_:tensorParallel:_:)`` for all parts in one pass: what
  /// treats every token alike (projections, normalisation) is one launch for the tokens of all parts,
  /// and each part has an attention core of its own.
  public func attention(
    layer: Int, of parts: [TokenBatch], _ precisions: Precisions, tensorParallel: Int = 1,
    _ body: (Operator) -> Void
  ) {
    let present = parts.filter { $0.newTokens > 0 }
    guard present.count > 1 else {
      for part in present {
        attention(layer: layer, of: part, precisions, tensorParallel: tensorParallel, body)
      }
      return
    }
    var merged: [Operator] = []
    for part in present {
      // A part's operators are in running order, so what it adds goes behind what it shares.
      var place = 0
      attention(layer: layer, of: part, precisions, tensorParallel: tensorParallel) { kernel in
        for index in merged.indices.dropFirst(place) {
          guard let joined = merged[index].joined(with: kernel) else { continue }
          merged[index] = joined
          place = index + 1
          return
        }
        merged.insert(kernel, at: place)
        place += 1
      }
    }
    merged.forEach(body)
  }
}

extension Operator {
  /// Both as one launch: the same weights for the rows of both. Nil where that cannot be.
  fileprivate func joined(with other: Operator) -> Operator? {
    guard role == other.role, precisions == other.precisions else { return nil }
    switch (shape, other.shape) {
    case (.gemm(var gemm), .gemm(let more))
    where gemm.n == more.n && gemm.k == more.k && gemm.batch == more.batch:
      gemm.m += more.m
      return Operator(role, .gemm(gemm), precisions)
    case (.elementwise(let work), .elementwise(let more)):
      let sum = Elementwise(
        read: work.read + more.read, written: work.written + more.written,
        flops: work.flops + more.flops)
      return Operator(role, .elementwise(sum), precisions)
    case (.copy(let copy), .copy(let more)):
      let sum = Copy(read: copy.read + more.read, written: copy.written + more.written)
      return Operator(role, .copy(sum), precisions)
    default:
      return nil
    }
  }
}
