import StrictYAML

extension HardwareCatalogue {
  /// A collective's cost, and what results that use it must say.
  public struct FoundCollectiveCost: Hashable, Sendable {
    public var cost: CollectiveCost
    /// `uncalibrated: costs of nvlink4`, where the measurements are of something else.
    public var remarks: [String]
  }

  /// The cost that was measured nearest to the question; nil where the library has none.
  ///
  /// In this order: the operation itself, or for a send an all-to-all and for a broadcast an
  /// all-gather; as many nodes as asked for (in a node, across nodes); the links themselves, or
  /// else the newest generation of the same kind, which is the last one in the catalogue; and for
  /// an all-reduce of floating-point numbers the switch's own sum where it was measured with so
  /// many ranks. O(entries).
  public func collectiveCost(
    for operation: CollectiveOperation, _ library: CollectiveLibrary, scaleUp: Link,
    scaleOut: Link? = nil, ranks: Int, nodes: Int = 1, isFloatingPoint: Bool = true
  ) -> FoundCollectiveCost? {
    var remarks: [String] = []
    var candidates = collectives.filter { $0.library == library && $0.operation == operation }
    if candidates.isEmpty, let relative = operation.relative {
      candidates = collectives.filter { $0.library == library && $0.operation == relative }
      remarks.append("uncalibrated: costs of \(relative.rawValue) for \(operation.rawValue)")
    }
    let crossing = candidates.filter { ($0.range.nodes.upperBound > 1) == (nodes > 1) }
    if crossing.isEmpty {
      remarks.append(
        nodes > 1
          ? "uncalibrated: \(library.rawValue) between nodes takes the costs inside one"
          : "uncalibrated: \(library.rawValue) inside a node takes the costs between nodes")
    } else {
      candidates = crossing
    }
    guard let up = nearest(scaleUp, in: candidates.map(\.scaleUp)) else { return nil }
    candidates = candidates.filter { $0.scaleUp == up }
    var relatives = up == scaleUp.name ? [] : [up]
    if nodes > 1, let scaleOut,
      let out = nearest(scaleOut, in: candidates.compactMap(\.scaleOut))
    {
      candidates = candidates.filter { $0.scaleOut == out }
      if out != scaleOut.name { relatives.append(out) }
    }
    if !relatives.isEmpty {
      remarks.append("uncalibrated: costs of \(relatives.joined(separator: " and "))")
    }
    let inSwitch = candidates.first {
      $0.algorithm == .inSwitch && isFloatingPoint && $0.range.ranks.contains(ranks)
    }
    return (inSwitch ?? candidates.first { $0.algorithm == .ranks }).map {
      FoundCollectiveCost(cost: $0, remarks: remarks)
    }
  }

  /// The link's own name where it is among the measured ones; else the last measured one of the
  /// catalogue that has its kind, or that has any.
  private func nearest(_ link: Link, in measured: [String]) -> String? {
    if measured.contains(link.name) { return link.name }
    let known = links.filter { measured.contains($0.name) }
    return (known.last { $0.kind == link.kind } ?? known.last)?.name
  }
}

extension HardwareCatalogue {
  /// The collectives of one file alone, whose links are this catalogue's.
  ///
  /// - Throws: ``Problems``: everything wrong with the file.
  public func collectives(inFile path: String) throws(Problems) -> [CollectiveCost] {
    let problems = ProblemCollector()
    var document = CatalogueDocument()
    document.add(try Value.contents(ofFile: path), problems)
    let costs = document.collectives.compactMap { $0.collectiveCost(links, problems) }
    try problems.throwIfAny()
    return costs
  }
}

extension CollectiveOperation {
  /// Whose cost stands in where this one was not measured.
  fileprivate var relative: CollectiveOperation? {
    switch self {
    case .send: .allToAll
    case .broadcast: .allGather
    default: nil
    }
  }
}
