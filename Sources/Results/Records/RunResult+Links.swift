extension RunResult {
  /// The links that carried something, the most utilised first; of equals, the first of the table.
  /// O(resources x log resources).
  public var linksByUtilisation: [ResourceRecord] {
    resources.filter { description.resources[$0.resource].isLink && $0.served > 0 }
      .sorted { ($1.utilisation, $0.resource) < ($0.utilisation, $1.resource) }
  }

  /// The part of the measured time in which a resource had a user: 0 to 1.
  public func busyShare(of record: ResourceRecord) -> Double {
    record.busy.value / measuredTime.seconds
  }
}
