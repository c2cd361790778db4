/// How busy the resources of one kind were.
public struct KindUtilisation: Hashable, Sendable {
  public var kind: String
  public var count: Int
  /// Over the resources of the kind: 0 to 1.
  public var mean: Double
  public var maximum: Double
  /// The name of the first resource that reached the maximum.
  public var busiest: String
}

extension RunResult {
  /// One entry a kind, in the order in which kinds first occur.
  public var utilisationByKind: [KindUtilisation] {
    var kinds: [KindUtilisation] = []
    var positions: [String: Int] = [:]
    for record in resources {
      let resource = description.resources[record.resource]
      let position = positions[resource.kind] ?? kinds.count
      if position == kinds.count {
        positions[resource.kind] = position
        kinds.append(
          KindUtilisation(
            kind: resource.kind, count: 0, mean: 0, maximum: -1, busiest: resource.name))
      }
      kinds[position].count += 1
      kinds[position].mean += record.utilisation
      if record.utilisation > kinds[position].maximum {
        kinds[position].maximum = record.utilisation
        kinds[position].busiest = resource.name
      }
    }
    for index in kinds.indices { kinds[index].mean /= Double(kinds[index].count) }
    return kinds
  }
}
