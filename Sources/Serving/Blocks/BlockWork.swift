import Hardware

/// What blocks ask of devices in an iteration. Layers are positions among those with experts.
struct BlockWork {
  let devices: Int
  /// Rows of each expert that a device computes, `[layer][device]`.
  var loads: [GroupedLoad]
  /// Experts that a device holds, and those besides that it has blocks of, `[layer][device]`.
  var experts: [Int]
  /// Experts whose weights a device reads, by who holds them: `[layer][reader][holder]`.
  private(set) var reads: [Int32]
  /// Of those a device reads, how many it keeps, `[layer][device]`.
  private(set) var kept: [Int32]
  /// Experts that a device needed, did not hold and had a duplicate of.
  private(set) var hits = 0
  /// Those that it had no duplicate of, and read.
  private(set) var misses = 0

  init(layers: Int, devices: Int) {
    self.devices = devices
    loads = [GroupedLoad](repeating: GroupedLoad(), count: layers * devices)
    experts = [Int](repeating: 0, count: layers * devices)
    reads = [Int32](repeating: 0, count: layers * devices * devices)
    kept = [Int32](repeating: 0, count: layers * devices)
  }

  mutating func removeAll() {
    for index in loads.indices {
      loads[index] = GroupedLoad()
      experts[index] = 0
      kept[index] = 0
    }
    for index in reads.indices { reads[index] = 0 }
    hits = 0
    misses = 0
  }

  /// Notes one expert's weights that a device reads.
  mutating func read(layer: Int, by reader: Int, from holder: Int) {
    reads[(layer * devices + reader) * devices + holder] += 1
    misses += 1
  }

  /// Notes that a device keeps an expert that it reads.
  mutating func keep(layer: Int, by reader: Int) { kept[layer * devices + reader] += 1 }

  mutating func useDuplicate() { hits += 1 }

  /// Of a device, by who holds the experts.
  func reads(layer: Int, by reader: Int) -> ArraySlice<Int32> {
    let first = (layer * devices + reader) * devices
    return reads[first..<first + devices]
  }

  /// Rows that devices compute in a layer.
  func rows(layer: Int) -> Int {
    loads[layer * devices..<(layer + 1) * devices].reduce(0) { $0 + Int($1.rows) }
  }
}
