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
