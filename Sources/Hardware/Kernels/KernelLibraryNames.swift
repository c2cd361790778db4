import Models

extension AttentionLibrary {
  /// The library of a kernel that tables call so; without a generation in its name, the one that the
  /// device's generation has.
  public init(kernel: String, on device: Device) {
    if kernel.contains("fa4") {
      self = .flashAttention4
    } else if kernel.contains("fa3") {
      self = .flashAttention3
    } else if kernel.contains("fa2") {
      self = .flashAttention2
    } else if kernel.contains("infersim") {
      self = .flashInfer
    } else {
      self = device.peakRates[.fp8] == nil ? .flashAttention2 : .flashAttention3
    }
  }
}

extension LatentLibrary {
  /// The library of a kernel that tables call so.
  public init(kernel: String) {
    if kernel.contains("flash_attn") {
      self = .flashAttention
    } else {
      self = kernel.contains("triton") ? .triton : .flashMLA
    }
  }
}

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
