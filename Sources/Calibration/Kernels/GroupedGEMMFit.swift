import Hardware

extension KernelFit<GroupedGEMMLaw>.Settings {
  /// What rows of one family can tell: terms that nothing in them depends on keep a value.
  init(telling rows: [KernelMeasurement<GroupedGEMMWork>]) {
    self.init()
    if !rows.contains(where: { $0.work.tiling == .widened || $0.work.tiling == .vector }) {
      fixed["widening"] = 7e9
      fixed["vector-widening"] = 18e9
      fixed["vector-rate"] = 48e9
    }
    if !rows.contains(where: { $0.work.k % 16 != 0 }) { fixed["unaligned-share"] = 1 }
    if !rows.contains(where: { $0.work.foreign.rows > 0 }) { fixed["foreign-tile"] = 1e-7 }
  }
}
