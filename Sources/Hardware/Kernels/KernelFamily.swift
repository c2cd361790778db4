/// What kernels do, as far as one law tells how long they take.
public enum KernelFamily: String, CaseIterable, Hashable, Sendable {
  /// ``GEMMLaw``
  case gemm
  /// ``GroupedGEMMLaw``
  case groupedGEMM = "grouped-gemm"
  /// ``FusedExpertsLaw``
  case experts
  /// ``AttentionDecodeLaw``
  case attentionDecode = "attention-decode"
  /// ``AttentionPromptLaw``
  case attentionPrompt = "attention-prompt"
  /// ``LatentDecodeLaw``
  case latentDecode = "latent-decode"
  /// ``LatentPromptLaw``
  case latentPrompt = "latent-prompt"
  /// ``StreamingLaw``
  case streaming

  /// Of the family's law.
  public var terms: [KernelTerm] {
    switch self {
    case .gemm: GEMMLaw.terms
    case .groupedGEMM: GroupedGEMMLaw.terms
    case .experts: FusedExpertsLaw.terms
    case .attentionDecode: AttentionDecodeLaw.terms
    case .attentionPrompt: AttentionPromptLaw.terms
    case .latentDecode: LatentDecodeLaw.terms
    case .latentPrompt: LatentPromptLaw.terms
    case .streaming: StreamingLaw.terms
    }
  }
}
