extension RunResult {
  /// Writes the spans that were kept as a timeline that https://ui.perfetto.dev opens.
  ///
  /// One track a stream: each device's kernels and its copies, and the exchanges of all devices, with
  /// slices named by stage and layer, in the category of what bounds them. Picoseconds are rounded
  /// down to Perfetto's nanoseconds.
  public func writeTimeline(to path: String) throws(ResultsError) {
    let file = try OutputFile(path)
    var writer = TimelineWriter(self, to: file)
    try writer.write()
    try file.commit()
  }
}
