import Models
import Units

/// What a model's operators take by the laws.
extension KernelLaws {
  /// Parts of one launch of `kernel`, the launch being what does not occupy the device; nil where no
  /// law says. Not faster than the law, but maybe than the data sheet: see ``KernelCostModel``. O(1).
  ///
  /// - Parameter rows: Tokens that an elementwise kernel passes over.
  func parts(of kernel: Operator, rows: Int) -> KernelParts? {
    switch kernel.shape {
    case .gemm(let shape): multiplication(shape, kernel)
    case .groupedGEMM: nil
    case .attention(let core): attention(core, kernel)
    case .elementwise, .copy:
      streamLaw(kernel, rows: rows)?.parts(of: streamWork(kernel, rows: rows))
    }
  }

  /// The sizes of a kernel that lie outside what its law was fitted to; none where no law says.
  ///
  /// A run asks once for each kernel of its model, not in every iteration, and adds them up:
  ///
  ///     var outside = OutsideMeasured()
  ///     model.attention(layer: 0, of: batch, precisions) { outside.add(laws.outside($0, rows: tokens)) }
  ///     remarks += outside.remarks
  public func outside(_ kernel: Operator, rows: Int) -> OutsideMeasured {
    switch kernel.shape {
    case .gemm(let shape):
      guard let law = multiplicationLaw(kernel),
        let work = multiplicationWork(shape, kernel.precisions, law.quantisedTiling)
      else { return OutsideMeasured() }
      return law.outside(.gemm(work))
    case .groupedGEMM: return OutsideMeasured()
    case .attention(let core):
      guard let work = attentionWork(core, kernel) else { return OutsideMeasured() }
      let found =
        switch work {
        case .attentionDecode: attentionDecode?.outside(work)
        case .attentionPrompt: attentionPrompt?.outside(work)
        case .latentDecode: latentDecode?.outside(work)
        default: latentPrompt?.outside(work)
        }
      return found ?? OutsideMeasured()
    case .elementwise, .copy:
      return streamLaw(kernel, rows: rows)?.outside(.streaming(streamWork(kernel, rows: rows)))
        ?? OutsideMeasured()
    }
  }

  /// The law of a multiplication; nil where there is none.
  private func multiplicationLaw(_ kernel: Operator) -> Fitted<GEMMLaw>? {
    kernel.precisions == precisions ? gemm : unquantizedGEMM
  }

  /// Several multiplications of one launch (the heads of latent attention) are one with as many times
  /// the columns: the tiles, the weights and the outputs are those; of the inputs only one share is
  /// counted. Nil where there is nothing to do.
  private func multiplicationWork(
    _ shape: GEMM, _ used: Precisions, _ quantisedTiling: GEMMTiling
  ) -> GEMMWork? {
    guard shape.m > 0, shape.n > 0, shape.k > 0, shape.batch > 0 else { return nil }
    let quantises = used.activations.bytes < 2
    return GEMMWork(
      m: shape.m, n: shape.n * shape.batch, k: shape.k,
      weightBytes: Self.weightBytes(used.weights), activationBytes: used.activations.bytes,
      outputBytes: used.outputs.bytes, tiling: quantises ? quantisedTiling : .best,
      quantises: quantises)
  }

  private func multiplication(_ shape: GEMM, _ kernel: Operator) -> KernelParts? {
    guard let law = multiplicationLaw(kernel),
      let work = multiplicationWork(shape, kernel.precisions, law.quantisedTiling)
    else { return nil }
    var parts = law.parts(of: work)
    // Conversion of the activations grows with them: it is work.
    let launch = law.launch
    let isWithin = launchesWithCore(kernel.role)
    parts.launch = isWithin ? 0 : launch
    parts.total -= isWithin ? launch : 0
    return parts
  }

  /// Whether a latent law's launch has this one's within: the measured calls begin with the absorbed
  /// projections or the expansion.
  private func launchesWithCore(_ role: Operator.Role) -> Bool {
    switch role {
    case .absorbQuery, .absorbValue: latentDecode != nil
    case .keyValueUp: latentPrompt != nil
    default: false
    }
  }

  /// A weight as it is stored, with the scales of four-bit formats: two bytes for each 128.
  static func weightBytes(_ precision: Precision) -> Double {
    precision.bytes < 1 ? precision.bytes + 2.0 / 128 : precision.bytes
  }

  private func attention(_ core: AttentionCore, _ kernel: Operator) -> KernelParts? {
    switch attentionWork(core, kernel) {
    case .attentionDecode(let work): attentionDecode?.parts(of: work)
    case .attentionPrompt(let work): attentionPrompt?.parts(of: work)
    case .latentDecode(let work): latentDecode?.parts(of: work)
    case .latentPrompt(let work): latentPrompt?.parts(of: work)
    default: nil
    }
  }

  /// Nil where no law is about such attention.
  private func attentionWork(_ core: AttentionCore, _ kernel: Operator) -> KernelWork? {
    let sequences = Int(core.sequences.rounded())
    let context = Int(core.context.rounded())
    guard sequences > 0, context > 0 else { return nil }
    let isSingle = core.queries == core.sequences
    let isWhole = core.isCausal && core.queries == core.sequences * core.context
    let window = core.window < core.context ? Int(core.window.rounded()) : nil
    let heads = Int(core.heads)
    let width = Int(core.keyDimension)
    let elementBytes = kernel.precisions.kvCache.bytes
    if core.isLatent {
      guard isSingle, core.readsCache else { return nil }
      let value = Int(core.valueDimension)
      return .latentDecode(
        LatentDecodeLaw.Work(
          latentDecodeLibrary, sequences: sequences, context: context, heads: heads,
          shape: LatentShape(latent: value, rope: width - value, key: 0, value: 0),
          elementBytes: elementBytes, projects: false))
    }
    if !core.readsCache {
      guard isWhole else { return nil }
      // The expansion is an operator of its own, so that no latent is left to expand here.
      return .latentPrompt(
        LatentPromptLaw.Work(
          latentPromptLibrary, sequences: sequences, tokens: context, heads: heads,
          shape: LatentShape(latent: 0, rope: 0, key: width, value: Int(core.valueDimension))))
    }
    let keyHeads = max(1, Int(core.keyValueElements / (core.keyDimension + core.valueDimension)))
    if core.phase == .decode, isSingle {
      return .attentionDecode(
        AttentionDecodeLaw.Work(
          decodeLibrary, sequences: sequences, context: context, queryHeads: heads,
          keyHeads: keyHeads, width: width, elementBytes: elementBytes, window: window))
    }
    guard core.phase == .prefill, isWhole else { return nil }
    return .attentionPrompt(
      AttentionPromptLaw.Work(
        promptLibrary, sequences: sequences, tokens: context, queryHeads: heads,
        keyHeads: keyHeads, width: width, elementBytes: elementBytes, window: window))
  }

  private func streamLaw(_ kernel: Operator, rows: Int) -> Fitted<StreamingLaw>? {
    guard let streaming, rows > 0 else { return nil }
    switch kernel.role {
    case .normalization: return streaming.normalization
    case .rotaryEmbedding: return streaming.rotaryEmbedding
    case .embedding, .permutation: return streaming.embedding
    default: return streaming.elementwise
    }
  }

  private func streamWork(_ kernel: Operator, rows: Int) -> StreamingLaw.Work {
    StreamingLaw.Work(rows: rows, rowBytes: kernel.bytes.value / Double(rows))
  }
}

/// A device's routed experts as one call.
extension KernelLaws {
  /// Parts of one call; nil where no law says.
  ///
  /// - Parameters:
  ///   - load: Rows of each of the device's experts.
  ///   - chosen: Rows of each token; 1 where every row is a token of its own, as after a dispatch.
  ///   - experts: Experts that the device has, with rows or without.
  ///   - hidden: The model's width.
  ///   - intermediate: Of an expert, as far as it is here.
  func parts(
    of load: GroupedLoad, chosen: Int, experts count: Int, hidden: Int, intermediate: Int
  ) -> KernelParts? {
    guard let experts, load.rows > 0, chosen > 0 else { return nil }
    return experts.parts(
      of: expertsWork(
        load, widens: experts.widensWeights, chosen: chosen, experts: count, hidden: hidden,
        intermediate: intermediate))
  }

  /// The sizes of one call that lie outside what its law was fitted to.
  public func outside(
    ofExperts load: GroupedLoad, chosen: Int, experts count: Int, hidden: Int, intermediate: Int
  ) -> OutsideMeasured {
    guard let experts, load.rows > 0, chosen > 0 else { return OutsideMeasured() }
    return experts.outside(
      .experts(
        expertsWork(
          load, widens: experts.widensWeights, chosen: chosen, experts: count, hidden: hidden,
          intermediate: intermediate)))
  }

  private func expertsWork(
    _ load: GroupedLoad, widens: Bool, chosen: Int, experts count: Int, hidden: Int,
    intermediate: Int
  ) -> FusedExpertsWork {
    var tiling = GroupedTiling.best
    if precisions.weights.bytes < 1, widens {
      tiling = load.rows <= 6 * Double(count) ? .vector : .widened
    }
    return FusedExpertsWork(
      tokens: Int((load.rows / Double(chosen)).rounded(.up)), chosen: chosen, hidden: hidden,
      intermediate: intermediate, load: load,
      weightBytes: Self.weightBytes(precisions.weights),
      activationBytes: precisions.activations.bytes, tiling: tiling)
  }
}

extension AttentionCore {
  /// Whether all heads read one latent vector whose first part is the value.
  fileprivate var isLatent: Bool {
    readsCache && keyValueElements == keyDimension && valueDimension < keyDimension
  }
}

/// Which laws a model's runs ask.
extension ModelArchitecture {
  /// In the order of ``KernelFamily``.
  public func kernelFamilies(in phase: Phase) -> [KernelFamily] {
    var isLatent = false
    if case .latent = attention { isLatent = true }
    let attention: KernelFamily =
      switch phase {
      case .decode: isLatent ? .latentDecode : .attentionDecode
      case .prefill: isLatent ? .latentPrompt : .attentionPrompt
      }
    let gated: [KernelFamily] = feedForward.matrices == 3 ? [.experts] : []
    return [.gemm] + gated + [attention, .streaming]
  }
}
