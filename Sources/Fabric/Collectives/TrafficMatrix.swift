import Units

/// What every rank has for every other: bytes, `[source][target]`.
///
/// A token's vector that several ranks of a node need may be sent to that node once and copied there.
/// Where the tokens are known, so is what goes to each node then: ``toNode``.
public struct TrafficMatrix: Sendable {
  public let ranks: Int
  /// `[source][target]`; what a rank has for itself is kept and costs nothing.
  public private(set) var bytes: [Double]
  /// `[source][node]`: bytes for a node when each token goes there once; nil where nobody knows which
  /// bytes are copies of one another.
  public private(set) var toNode: [Double]?
  /// `[target][node]`: bytes from a node when it sums what belongs to one token before sending; of a
  /// matrix that ``returned()`` made from one with ``toNode``.
  public private(set) var fromNode: [Double]?

  /// - Precondition: `bytes` holds ranks x ranks numbers, `toNode` ranks x nodes.
  public init(ranks: Int, bytes: [Double], toNode: [Double]? = nil) {
    precondition(bytes.count == ranks * ranks, "a traffic matrix is square")
    self.ranks = ranks
    self.bytes = bytes
    self.toNode = toNode
  }

  /// Every rank has the same for every rank, itself included: `bytesPerRank` in all.
  public init(ranks: Int, uniform bytesPerRank: Bytes) {
    let each = bytesPerRank.value / Double(ranks)
    self.init(ranks: ranks, bytes: [Double](repeating: each, count: ranks * ranks))
  }

  public subscript(source: Int, target: Int) -> Bytes {
    get { Bytes(bytes[source * ranks + target]) }
    set { bytes[source * ranks + target] = newValue.value }
  }

  /// The sum of what several ranks have for several others. O(sources x targets).
  public func bytes(from sources: Range<Int>, to targets: Range<Int>) -> Bytes {
    var sum = 0.0
    for source in sources {
      for target in targets { sum += bytes[source * ranks + target] }
    }
    return Bytes(sum)
  }

  /// What a source has for a node, each token once where that is known.
  public func bytes(from source: Int, toNode node: Int, _ layout: RankLayout) -> Bytes {
    if let toNode { return Bytes(toNode[source * layout.nodes.count + node]) }
    return Bytes(layout.nodes[node].reduce(0) { $0 + bytes[source * ranks + $1] })
  }

  /// What a node has for a target, each token once where that is known.
  public func bytes(fromNode node: Int, to target: Int, _ layout: RankLayout) -> Bytes {
    if let fromNode { return Bytes(fromNode[target * layout.nodes.count + node]) }
    return Bytes(layout.nodes[node].reduce(0) { $0 + bytes[$1 * ranks + target] })
  }

  /// The way back, with every byte turned into `scale` bytes: what was sent to a rank is returned by
  /// it, and what was sent to a node once is summed there and returned once.
  public func returned(scale: Double = 1) -> TrafficMatrix {
    var turned = self
    for source in 0..<ranks {
      for target in 0..<ranks {
        turned.bytes[target * ranks + source] = bytes[source * ranks + target] * scale
      }
    }
    turned.toNode = fromNode.map { $0.map { $0 * scale } }
    turned.fromNode = toNode.map { $0.map { $0 * scale } }
    return turned
  }
}
