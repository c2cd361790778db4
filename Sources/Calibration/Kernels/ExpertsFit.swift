import Hardware

extension KernelFit<FusedExpertsLaw>.Settings {
  /// What rows of one family can tell: terms that nothing in them depends on keep a value.
  init(telling rows: [KernelMeasurement<FusedExpertsWork>]) {
    self.init()
    let isWidened = rows.contains { $0.work.tiling == .widened || $0.work.tiling == .vector }
    if isWidened {
      // The lone tile that widens its weights is slow; far from where the search begins otherwise.
      starts["column-latency"] = 2.2e-8
      fixed["tensor-fraction"] = 0.7
      fixed["feed"] = 0.015
      fixed["cache-share"] = 0.7
      fixed["rows-of-pass"] = 1000
      fixed["slowdown"] = 0.001
      fixed["slowdown-time"] = 1e-2
    } else {
      fixed["widening"] = 7e9
      fixed["vector-widening"] = 18e9
      fixed["vector-rate"] = 48e9
    }
    if isWidened || !rows.contains(where: { $0.work.intermediate % 16 != 0 }) {
      fixed["unaligned-share"] = 1
    }
    if !rows.contains(where: { $0.work.foreign.rows > 0 }) { fixed["foreign-tile"] = 1e-7 }
  }
}
