import Units

/// What a group of devices does together.
public enum CollectiveOperation: String, CaseIterable, Hashable, Sendable {
  /// Every rank sends a part of its own to every other one.
  case allToAll = "all-to-all"
  /// Every rank ends with the sum of all ranks' buffers.
  case allReduce = "all-reduce"
  /// Every rank ends with all ranks' parts.
  case allGather = "all-gather"
  /// Every rank ends with one part of the sum of all ranks' buffers.
  case reduceScatter = "reduce-scatter"
  case broadcast
  /// One rank to another.
  case send
  /// Tokens to the ranks of the experts they chose.
  case dispatch
  /// The experts' results back to the tokens' ranks, which add them up.
  case combine
}

/// The software that carries a collective; its launch and protocol are a part of what it costs.
public enum CollectiveLibrary: String, CaseIterable, Hashable, Sendable {
  case nccl
  /// DeepEP's kernels for many tokens: one copy of a token to each node, forwarded inside it once
  /// to each device, by as many multiprocessors as the caller gives.
  case deepEPNormal = "deepep-normal"
  /// DeepEP's kernels for few tokens: one copy of a token to each of its experts, straight from
  /// device to device.
  case deepEPLowLatency = "deepep-low-latency"
  /// The fused dispatch and combine of CloudMatrix384 (arXiv 2506.12708): one copy of a token to each
  /// of its experts, written into the other die's memory by the vector cores.
  case cannFused = "cann-fused"
}

extension CollectiveLibrary {
  /// Whether a device gets a copy of a token for each of the token's experts on it; else one for all.
  public var copiesForEachExpert: Bool {
    switch self {
    case .deepEPLowLatency, .cannFused: true
    case .nccl, .deepEPNormal: false
    }
  }

  /// What the library sends with one copy of a token whose numbers take `element` bytes each: scales
  /// of 8-bit numbers and whose they are. Zero for one that sends what it is given.
  ///
  /// DeepEP: a scale of 4 bytes for each 128 numbers, and 16 bytes. CloudMatrix384: 512 bytes.
  public func bytesBesideCopy(hidden: Int, element: Double) -> Bytes {
    guard element <= 1 else { return .zero }
    switch self {
    case .nccl: return .zero
    case .deepEPNormal, .deepEPLowLatency: return Bytes(Double(hidden) / 128 * 4 + 16)
    case .cannFused: return Bytes(512)
    }
  }
}

/// Who adds up what a collective reduces.
public enum ReductionPlace: String, CaseIterable, Hashable, Sendable {
  /// The ranks themselves.
  case ranks
  /// The switch between them (NCCL's NVLS), which adds floating-point numbers only.
  case inSwitch = "in-switch"
}
