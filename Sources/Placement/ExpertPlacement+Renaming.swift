extension ExpertPlacement {
  /// The same placement with the groups of every node renamed, layer by layer, so that as few copies as
  /// can be are anywhere but where `current` has them: an assignment problem for each node of each layer.
  ///
  /// It costs the same where the groups of a node are alike and a token's copy does not depend on the
  /// groups' numbers. O(layers x nodes x groups per node^3).
  public func renamed(like current: ExpertPlacement, groupsPerNode: Int) -> ExpertPlacement {
    precondition(
      current.layers == layers && current.experts == experts && current.groups == groups
        && groups % groupsPerNode == 0, "both placements are of one model on one cluster")
    let layers = zip(hosts, current.hosts).map { layer, former in
      let names = names(of: layer, like: former, groupsPerNode: groupsPerNode)
      return zip(layer, former).map { hosts, former in
        let renamed = hosts.map { names[$0] }.sorted()
        // The order of copies says which tokens go to which: no reason to change it.
        return renamed == former.sorted() ? former : renamed
      }
    }
    return ExpertPlacement(groups: groups, hosts: layers, sharedGroups: sharedGroups)
  }

  /// The new name of each group of a layer.
  private func names(of layer: [[Int]], like former: [[Int]], groupsPerNode: Int) -> [Int] {
    // Copies that stay in place where a group gets the name of another one of its node, below zero:
    // the least cost keeps the most.
    var kept = [Double](repeating: 0, count: groups * groupsPerNode)
    for (hosts, former) in zip(layer, former) {
      for group in hosts {
        for name in former where name / groupsPerNode == group / groupsPerNode {
          kept[group * groupsPerNode + name % groupsPerNode] -= 1
        }
      }
    }
    var names = Array(0..<groups)
    for first in stride(from: 0, to: groups, by: groupsPerNode) {
      let node = first..<first + groupsPerNode
      let costs = Array(kept[first * groupsPerNode..<node.upperBound * groupsPerNode])
      guard
        let best = LinearAssignment(costs: costs, rows: groupsPerNode, columns: groupsPerNode)
      else { continue }
      for group in node { names[group] = first + best.columnOfRow[group - first] }
    }
    return names
  }
}
