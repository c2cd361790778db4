import Hardware
import Models

/// A kernel in words as the operators that runs cost by the roofline, where no law is known.
extension KernelShape {
  /// One operator; of `experts` those that the fused layer stands for. Scales of 8-bit numbers and what
  /// a library adds are not in it.
  ///
  /// - Throws: ``CalibrationError/unknownType(_:family:known:)``.
  public func operators() throws(CalibrationError) -> [Operator] {
    guard Self.types(of: family).contains(type) else {
      throw .unknownType(type, family: family.rawValue, known: Self.types(of: family))
    }
    let numbers = dimensions
    switch family {
    case .gemm:
      return [named(.feedForwardUp, .gemm(GEMM(m: numbers[0], n: numbers[1], k: numbers[2])))]
    case .groupedGEMM:
      let grouped = GroupedGEMM(
        tokens: numbers[0], activeExperts: min(numbers[0], numbers[1]), n: numbers[2], k: numbers[3]
      )
      return [named(.expertUp, .groupedGEMM(grouped))]
    case .experts: return expertOperators()
    case .attentionDecode, .attentionPrompt:
      let (heads, keyHeads, width) = (numbers[2], numbers[3], numbers[4])
      return [
        core(heads: heads, key: width, value: width, cache: 2 * keyHeads * width)
      ]
    case .latentDecode:
      // Queries on the latents themselves, and the projections before and after.
      let (sequences, heads, latent) = (numbers[0], numbers[2], LatentShape.deepSeek)
      let query = GEMM(m: sequences, n: latent.latent, k: latent.key, batch: heads)
      let value = GEMM(m: sequences, n: latent.value, k: latent.latent, batch: heads)
      let width = latent.latent + latent.rope
      return [
        named(.absorbQuery, .gemm(query)),
        core(heads: heads, key: width, value: latent.latent, cache: width),
        named(.absorbValue, .gemm(value)),
      ]
    case .latentPrompt:
      let (tokens, heads, latent) = (numbers[0] * numbers[1], numbers[2], LatentShape.deepSeek)
      let expanded = heads * (latent.key + latent.value)
      return [
        named(.keyValueUp, .gemm(GEMM(m: tokens, n: expanded, k: latent.latent))),
        core(
          heads: heads, key: latent.key + latent.rope, value: latent.value,
          cache: expanded + latent.rope),
      ]
    case .streaming:
      // Half of a row's bytes are read, half are written.
      let elements = Double(numbers[0]) * Double(numbers[1]) / Precision.bf16.bytes
      let stream = Elementwise(read: elements / 2, written: elements / 2, flops: 0)
      return [named(.normalization, .elementwise(stream))]
    }
  }

  private func expertOperators() -> [Operator] {
    let (tokens, hidden, intermediate) = (dimensions[0], dimensions[1], dimensions[2])
    let (experts, chosen) = (dimensions[3], dimensions[4])
    let rows = tokens * chosen
    let active = min(rows, experts)
    let up = GroupedGEMM(tokens: rows, activeExperts: active, n: 2 * intermediate, k: hidden)
    let down = GroupedGEMM(tokens: rows, activeExperts: active, n: hidden, k: intermediate)
    let inner = Double(rows) * Double(intermediate)
    let outputs = Double(tokens) * Double(hidden)
    let results = outputs * Double(chosen)
    return [
      named(.expertUp, .groupedGEMM(up)),
      named(
        .expertActivation,
        .elementwise(Elementwise(read: 2 * inner, written: inner, flops: 5 * inner))),
      named(.expertDown, .groupedGEMM(down)),
      named(
        .combination,
        .elementwise(Elementwise(read: results, written: outputs, flops: 2 * results))),
    ]
  }

  /// Attention of the family: one query of each sequence, or all of its prompt.
  private func core(heads: Int, key: Int, value: Int, cache: Int) -> Operator {
    let isDecode = family == .attentionDecode || family == .latentDecode
    let (sequences, context) = (Double(dimensions[0]), Double(dimensions[1]))
    let attention = AttentionCore(
      phase: isDecode ? .decode : .prefill, queries: isDecode ? sequences : sequences * context,
      sequences: sequences, context: context, heads: Double(heads), keyDimension: Double(key),
      valueDimension: Double(value), keyValueElements: Double(cache),
      cacheElementsPerNewToken: Double(cache), readsCache: family != .latentPrompt)
    return named(.attentionCore, .attention(attention))
  }

  private func named(_ role: Operator.Role, _ shape: Operator.Shape) -> Operator {
    Operator(role, shape, precisions)
  }

  /// What the type's numbers are in: `int4_wo` weights under 16-bit activations, a cache of `fp8`.
  private var precisions: Precisions {
    switch type {
    case "float16": Precisions(.fp16)
    case "fp8", "fp8_block":
      family == .gemm || family == .groupedGEMM || family == .experts
        ? Precisions(.fp8)
        : Precisions(weights: .bf16, activations: .bf16, kvCache: .fp8)
    case "int8": Precisions(.int8)
    case "int8_wo": Precisions(weights: .int8, activations: .bf16, kvCache: .bf16)
    case "int4_wo": Precisions(weights: .int4, activations: .bf16, kvCache: .bf16)
    default: Precisions(.bf16)
    }
  }
}
