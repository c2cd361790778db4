import Units

/// One kernel's worth of a model's work on one device: what is computed and what memory must move.
///
///     let projection = Operator(
///       .queryKeyValue, .gemm(GEMM(m: 128, n: 6144, k: 4096)), Precisions(.bf16))
///     projection.flops      // 2 m n k
///     projection.bytes      // (k n + m k + m n) x 2 bytes
///
/// A plain value without references: building one and reading its work allocates nothing, so a
/// planner may make them anew in every iteration. Bytes are the least a kernel must move: weights
/// once for each launch, inputs and outputs once, the KV cache read and written once. What a cache
/// keeps between kernels is a matter of the device, not of the operator.
public struct Operator: Hashable, Sendable {
  /// What the kernel is for.
  public var role: Role
  /// What it computes, with its dimensions.
  public var shape: Shape
  public var precisions: Precisions

  @inlinable
  public init(_ role: Role, _ shape: Shape, _ precisions: Precisions) {
    self.role = role
    self.shape = shape
    self.precisions = precisions
  }

  /// A kernel's place in a layer.
  public enum Role: UInt8, CaseIterable, Hashable, Sendable {
    case normalization
    case queryKeyValue, queryDown, queryUp, keyValueDown, keyValueUp, absorbQuery, absorbValue
    case rotaryEmbedding, attentionCore, outputProjection
    case crossQuery, crossKeyValue, crossCore, crossOutput
    case mambaInput, mambaConvolution, mambaParameters, mambaStep, mambaScan, mambaOutput
    case router, topK, permutation
    case expertUp, expertActivation, expertDown, combination
    case sharedExpertUp, sharedExpertActivation, sharedExpertDown
    case feedForwardUp, feedForwardActivation, feedForwardDown
    case embedding, head
    case predictionInput
  }

  public enum Shape: Hashable, Sendable {
    case gemm(GEMM)
    case groupedGEMM(GroupedGEMM)
    case attention(AttentionCore)
    case elementwise(Elementwise)
    case copy(Copy)
  }

  /// The kinds of kernel whose speed a device is calibrated for, each on its own.
  public enum Family: String, CaseIterable, Hashable, Sendable {
    case gemm, groupedGEMM, attentionPrefill, attentionDecode, elementwise, copy
  }

  @inlinable
  public var family: Family {
    switch shape {
    case .gemm: .gemm
    case .groupedGEMM: .groupedGEMM
    case .attention(let core): core.phase == .prefill ? .attentionPrefill : .attentionDecode
    case .elementwise: .elementwise
    case .copy: .copy
    }
  }

  /// The precision of the arithmetic: the wider of the two operands of a multiplication.
  @inlinable
  public var precision: Precision {
    switch shape {
    case .gemm, .groupedGEMM: precisions.activations.multiplied(by: precisions.weights)
    // The queries come out of a matrix multiplication and are not quantised unless the cache is.
    case .attention(let core):
      core.readsCache
        ? precisions.activations.multiplied(by: precisions.kvCache) : precisions.outputs
    case .elementwise, .copy: precisions.outputs
    }
  }

  /// Multiplications and additions, two for each multiply-accumulate.
  @inlinable
  public var flops: FLOPs {
    switch shape {
    case .gemm(let gemm): gemm.flops
    case .groupedGEMM(let gemm): gemm.flops
    case .attention(let core): core.flops
    case .elementwise(let work): FLOPs(work.flops)
    case .copy: .zero
    }
  }

  /// All that is moved: ``weightBytes`` + ``activationBytes`` + ``cacheBytes``.
  @inlinable
  public var bytes: Bytes { weightBytes + activationBytes + cacheBytes }

  /// Weights, read once for each launch.
  @inlinable
  public var weightBytes: Bytes {
    switch shape {
    case .gemm(let gemm): Bytes(gemm.weights * precisions.weights.bytes)
    case .groupedGEMM(let gemm): Bytes(gemm.weights * precisions.weights.bytes)
    case .attention, .elementwise, .copy: .zero
    }
  }

  /// Activations in and out. Inputs of multiplications in the activations' precision, everything
  /// else in ``Precisions/outputs``.
  @inlinable
  public var activationBytes: Bytes {
    let input = precisions.activations.bytes
    let output = precisions.outputs.bytes
    switch shape {
    case .gemm(let gemm):
      return Bytes(gemm.inputs * input + gemm.outputs * output)
    case .groupedGEMM(let gemm):
      return Bytes(gemm.inputs * input + gemm.outputs * output)
    case .attention(let core):
      let expanded = core.readsCache ? 0 : core.keyValueElementsRead
      return Bytes((core.queryElements + core.outputElements + expanded) * output)
    case .elementwise(let work):
      return Bytes((work.read + work.written) * output)
    case .copy(let copy):
      return Bytes((copy.read + copy.written) * output)
    }
  }

  /// The KV cache, read and written.
  @inlinable
  public var cacheBytes: Bytes {
    guard case .attention(let core) = shape else { return .zero }
    let read = core.readsCache ? core.keyValueElementsRead : 0
    return Bytes((read + core.cacheElementsWritten) * precisions.kvCache.bytes)
  }
}
