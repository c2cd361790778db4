extension ExpertPlacement {
  /// A placement without replicas from the group of each expert, `[layer][expert]`.
  public init(groups: Int, experts: Int, groupOfExpert: [Int32]) {
    precondition(experts > 0 && groupOfExpert.count % experts == 0)
    self.init(
      groups: groups,
      hosts: (0..<groupOfExpert.count / experts).map { layer in
        (0..<experts).map { [Int(groupOfExpert[layer * experts + $0])] }
      })
  }

  /// The group of each expert's first copy, `[layer][expert]`.
  public var groupOfExpert: [Int32] { hosts.flatMap { $0.map { Int32($0[0]) } } }
}
