import Units

/// Picoseconds of each device in each stage of each layer: `[layer][stage][device]`, where layer -1
/// comes first and the last stage is the wait for the end of an iteration.
struct StageTimes {
  let layerCount: Int
  let stageCount: Int
  let deviceCount: Int
  private var cells: [Int64]

  init(layerCount: Int, stageCount: Int, deviceCount: Int) {
    self.layerCount = layerCount
    self.stageCount = stageCount
    self.deviceCount = deviceCount
    cells = [Int64](repeating: 0, count: (layerCount + 1) * stageCount * deviceCount)
  }

  private func row(layer: Int, stage: Int) -> Int {
    ((layer + 1) * stageCount + stage) * deviceCount
  }

  mutating func add(_ span: SimTime, layer: Int, stage: Int, device: Int) {
    cells[row(layer: layer, stage: stage) + device] += span.picoseconds
  }

  subscript(layer layer: Int, stage stage: Int, device device: Int) -> SimTime {
    SimTime(picoseconds: cells[row(layer: layer, stage: stage) + device])
  }

  /// Adds every device's time over all layers and stages to its entry of `totals`. O(cells).
  func addTotals(to totals: inout [Int64]) {
    var cell = 0
    while cell < cells.count {
      for device in 0..<deviceCount { totals[device] += cells[cell + device] }
      cell += deviceCount
    }
  }

  /// A device's time in a stage over all layers. O(layers).
  func total(stage: Int, device: Int) -> SimTime {
    var total = SimTime.zero
    for layer in -1..<layerCount { total += self[layer: layer, stage: stage, device: device] }
    return total
  }

  /// Mean and maximum over the devices. O(devices).
  func spread(layer: Int, stage: Int) -> DeviceSpread {
    let start = row(layer: layer, stage: stage)
    return DeviceSpread(cells[start..<start + deviceCount])
  }
}

/// Mean and maximum of a time over devices.
struct DeviceSpread {
  var mean = Seconds.zero
  var maximum = Seconds.zero

  /// Sums in seconds, because a sum over thousands of devices may pass 106 days of picoseconds.
  init(_ picoseconds: some Collection<Int64>) {
    guard let most = picoseconds.max() else { return }
    let sum = picoseconds.reduce(0.0) { $0 + Double($1) }
    mean = Seconds(sum / Double(picoseconds.count) * 1e-12)
    maximum = Seconds(SimTime(picoseconds: most))
  }
}
