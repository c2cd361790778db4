/// Work whose sizes can be compared with those that were measured.
public protocol SizedWork: Hashable, Sendable {
  /// What ``sizes`` are of, in order, as the catalogue has it.
  static var sizeNames: [String] { get }
  var sizes: [Int] { get }
}

extension GEMMWork: SizedWork {
  public static let sizeNames = ["m", "n", "k"]
  public var sizes: [Int] { [m, n, k] }
}

extension GroupedGEMMWork: SizedWork {
  public static let sizeNames = ["rows", "active-experts", "n", "k"]
  public var sizes: [Int] { [Int(load.rows.rounded()), Int(load.active.rounded()), n, k] }
}

extension FusedExpertsWork: SizedWork {
  /// Rows and experts as far as they are here: what a device sees of a layer.
  public static let sizeNames = ["rows", "active-experts", "hidden", "intermediate"]
  public var sizes: [Int] {
    [Int(load.rows.rounded()), Int(load.active.rounded()), hidden, intermediate]
  }
}

extension AttentionDecodeLaw.Work: SizedWork {
  public static let sizeNames = ["sequences", "context", "query-heads", "key-heads", "head-width"]
  public var sizes: [Int] { [sequences, context, queryHeads, keyHeads, width] }
}

extension AttentionPromptLaw.Work: SizedWork {
  public static let sizeNames = ["sequences", "tokens", "query-heads", "key-heads", "head-width"]
  public var sizes: [Int] { [sequences, tokens, queryHeads, keyHeads, width] }
}

extension LatentDecodeLaw.Work: SizedWork {
  public static let sizeNames = ["sequences", "context", "heads"]
  public var sizes: [Int] { [sequences, context, heads] }
}

extension LatentPromptLaw.Work: SizedWork {
  public static let sizeNames = ["sequences", "tokens", "heads"]
  public var sizes: [Int] { [sequences, tokens, heads] }
}

extension StreamingLaw.Work: SizedWork {
  public static let sizeNames = ["rows", "bytes-of-a-row"]
  public var sizes: [Int] { [rows, Int(rowBytes.rounded())] }
}

extension KernelFamily {
  /// What the sizes of the family's work are of, in order.
  public var sizeNames: [String] {
    switch self {
    case .gemm: GEMMWork.sizeNames
    case .groupedGEMM: GroupedGEMMWork.sizeNames
    case .experts: FusedExpertsWork.sizeNames
    case .attentionDecode: AttentionDecodeLaw.Work.sizeNames
    case .attentionPrompt: AttentionPromptLaw.Work.sizeNames
    case .latentDecode: LatentDecodeLaw.Work.sizeNames
    case .latentPrompt: LatentPromptLaw.Work.sizeNames
    case .streaming: StreamingLaw.Work.sizeNames
    }
  }
}

extension KernelWork {
  /// In the order of ``KernelFamily/sizeNames``.
  public var sizes: [Int] {
    switch self {
    case .gemm(let work): work.sizes
    case .groupedGEMM(let work): work.sizes
    case .experts(let work): work.sizes
    case .attentionDecode(let work): work.sizes
    case .attentionPrompt(let work): work.sizes
    case .latentDecode(let work): work.sizes
    case .latentPrompt(let work): work.sizes
    case .streaming(let work): work.sizes
    }
  }
}
