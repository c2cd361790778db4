extension RunResult {
  /// Writes the traffic between pairs as a table for a heat map: CSV with a row for each source and a
  /// column for each target, in bytes, both named by their device numbers.
  ///
  ///     source,0,1
  ///     0,0,81920
  ///     1,40960,0
  ///
  /// - Throws: ``ResultsError/shape(_:)`` where the traffic was not kept.
  public func writeHeatMap(to path: String) throws(ResultsError) {
    guard let pairs else { throw .shape("a heat map of traffic that was not kept") }
    let devices = 0..<pairs.deviceCount
    let file = try OutputFile(path)
    var sink = try CSVSink(file, columns: ["source"] + devices.map(String.init))
    for source in devices {
      sink.add(source)
      for target in devices { sink.add(pairs[source, target]) }
      try sink.endRow()
    }
    try file.commit()
  }
}
