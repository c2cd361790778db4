import Hardware

extension KernelFit<GEMMLaw>.Settings {
  /// What rows of one family can tell: terms that nothing in them depends on, or that others stand
  /// in for, keep a value.
  init(telling rows: [KernelMeasurement<GEMMWork>]) {
    self.init()
    let tilings = Set(rows.map(\.work.tiling))
    if !rows.contains(where: \.work.quantises) {
      fixed["quantised-row"] = 1e-9
      fixed["quantise-fraction"] = 1
    }
    if !tilings.contains(.best) {
      fixed["reduction"] = 2.5e-6
      fixed["reduction-traffic"] = 1
    }
    // Tiles that all begin alike leave the prologue to the launch.
    if tilings != [.byRows] { fixed["prologue"] = 0.5e-6 }
    // A library with one tile for a shape cannot avoid rounds that are not full.
    if tilings == [.byRows] { fixed["round-share"] = 1 }
    // Block-scaled fp8 is called without a graph: below about 0.1 ms the host's time is seen.
    if tilings == [.compiled] && rows.contains(where: \.work.quantises) {
      starts["host"] = 9e-5
    } else {
      fixed["host"] = 1e-9
    }
  }
}
