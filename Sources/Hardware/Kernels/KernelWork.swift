/// What one launch of any family has to do.
public enum KernelWork: Hashable, Sendable {
  case gemm(GEMMWork)
  case groupedGEMM(GroupedGEMMWork)
  case experts(FusedExpertsWork)
  case attentionDecode(AttentionDecodeLaw.Work)
  case attentionPrompt(AttentionPromptLaw.Work)
  case latentDecode(LatentDecodeLaw.Work)
  case latentPrompt(LatentPromptLaw.Work)
  case streaming(StreamingLaw.Work)

  public var family: KernelFamily {
    switch self {
    case .gemm: .gemm
    case .groupedGEMM: .groupedGEMM
    case .experts: .experts
    case .attentionDecode: .attentionDecode
    case .attentionPrompt: .attentionPrompt
    case .latentDecode: .latentDecode
    case .latentPrompt: .latentPrompt
    case .streaming: .streaming
    }
  }

  /// What the work takes by numbers of its family's law.
  public func parts(by values: [Double], on machine: KernelMachine) -> KernelParts {
    switch self {
    case .gemm(let work): GEMMLaw(values).parts(of: work, on: machine)
    case .groupedGEMM(let work): GroupedGEMMLaw(values).parts(of: work, on: machine)
    case .experts(let work): FusedExpertsLaw(values).parts(of: work, on: machine)
    case .attentionDecode(let work): AttentionDecodeLaw(values).parts(of: work, on: machine)
    case .attentionPrompt(let work): AttentionPromptLaw(values).parts(of: work, on: machine)
    case .latentDecode(let work): LatentDecodeLaw(values).parts(of: work, on: machine)
    case .latentPrompt(let work): LatentPromptLaw(values).parts(of: work, on: machine)
    case .streaming(let work): StreamingLaw(values).parts(of: work, on: machine)
    }
  }
}
