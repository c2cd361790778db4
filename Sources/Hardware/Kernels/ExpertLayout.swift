/// How the rows of a device's experts lie in memory when they are multiplied.
public enum ExpertLayout: Hashable, Sendable {
  /// One after the other.
  case packed
  /// In room for as many as may come, for each expert by itself: what a dispatch of few tokens
  /// (DeepEP's low-latency kernels) fills, and a kernel with a mask reads.
  case masked
}

extension KernelCalibration {
  /// The layout of the experts that were measured: SGLang's layer after DeepEP's dispatch is masked.
  var expertLayout: ExpertLayout { kernel.hasPrefix("deepepmoe") ? .masked : .packed }
}
