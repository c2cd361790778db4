import Models

/// The laws of a device's measured kernels, as a model in given precisions calls them.
///
///     let laws = KernelLaws(device, precisions)
///     let parts = laws?.parts(of: kernel, rows: tokens)
///
/// Chosen once, when a run is assembled: from ``Device/kernels`` those of the type of numbers that
/// the precisions ask for, or else of the nearest one. A family without numbers has no law here. Runs
/// replay recorded graphs: what the host takes to launch a kernel does not count.
public struct KernelLaws: Hashable, Sendable {
  /// A law on the data sheet for the precision that it computes in. One reference, because every query
  /// counts those it copies.
  struct Fitted<Law: KernelLaw>: Hashable, Sendable {
    fileprivate let shared: Shared<Contents>

    fileprivate struct Contents: Hashable, Sendable {
      let prepared: Law.Prepared
      let entry: KernelCalibration
      let tiling: Tiling
    }

    /// How the library that was measured cuts its work into tiles.
    fileprivate struct Tiling: Hashable, Sendable {
      let quantisedGEMM: GEMMTiling
      let widensWeights: Bool
    }

    /// - Parameter asRun: Takes from the law and the machine what benchmarks have and runs have not.
    init(
      _ entry: KernelCalibration, on machine: KernelMachine,
      asRun change: (inout Law, inout KernelMachine) -> Void
    ) {
      var law = Law(entry.values)
      var machine = machine
      change(&law, &machine)
      let quantised: GEMMTiling =
        switch entry.numberType {
        case "fp8": .byRows
        case "fp8_block": .compiled
        default: .best
        }
      shared = Shared(
        Contents(
          prepared: law.prepared(for: machine), entry: entry,
          tiling: Tiling(
            quantisedGEMM: quantised, widensWeights: entry.numberType == "int4_wo")))
    }

    /// As the calibration has it: `torch_mm bfloat16`.
    var kernel: String { shared.value.entry.kernel }

    /// Of multiplications whose activations are quantised.
    var quantisedTiling: GEMMTiling { shared.value.tiling.quantisedGEMM }

    /// Whether weights of four bits are widened as they are read.
    var widensWeights: Bool { shared.value.tiling.widensWeights }

    func parts(of work: Law.Work) -> KernelParts { shared.value.prepared.parts(of: work) }

    func outside(_ work: KernelWork) -> OutsideMeasured { shared.value.entry.outside(work) }
  }

  /// What streams rows, by the kernels that were measured.
  struct Streams: Hashable, Sendable {
    var normalization: Fitted<StreamingLaw>
    var rotaryEmbedding: Fitted<StreamingLaw>
    var embedding: Fitted<StreamingLaw>
    /// Activations, sums, choices and what else passes over its operands once.
    var elementwise: Fitted<StreamingLaw>
  }

  let precisions: Precisions
  private(set) var gemm: Fitted<GEMMLaw>?
  /// Of the multiplications whose weights are never quantised: ``Precisions/unquantized``.
  private(set) var unquantizedGEMM: Fitted<GEMMLaw>?
  private(set) var experts: Fitted<FusedExpertsLaw>?
  private(set) var attentionDecode: Fitted<AttentionDecodeLaw>?
  private(set) var attentionPrompt: Fitted<AttentionPromptLaw>?
  private(set) var latentDecode: Fitted<LatentDecodeLaw>?
  private(set) var latentPrompt: Fitted<LatentPromptLaw>?
  private(set) var streaming: Streams?
  private(set) var decodeLibrary = AttentionLibrary.flashAttention3
  private(set) var promptLibrary = AttentionLibrary.flashAttention3
  private(set) var latentDecodeLibrary = LatentLibrary.flashAttention
  private(set) var latentPromptLibrary = LatentLibrary.flashAttention
  private var remarks: [Remark] = []

  /// Whether a device's routed experts have a law.
  public var hasExperts: Bool { experts != nil }

  private struct Remark: Hashable, Sendable {
    var family: KernelFamily
    var text: String
  }

  /// Nil where the device is no GPU, the catalogue does not say how many compute units it has, or
  /// nobody's kernels were measured.
  ///
  /// - Parameter layout: How the rows of routed experts lie.
  public init?(
    _ device: Device, _ precisions: Precisions, experts layout: ExpertLayout = .packed
  ) {
    guard device.takesKernels, !device.kernels.isEmpty else { return nil }
    self.precisions = precisions
    let types = Self.numberTypes(precisions)
    let arithmetic = precisions.activations.multiplied(by: precisions.weights)
    gemm = fitted(.gemm, types, KernelMachine(device, arithmetic), of: device) { law, _ in
      law.host = 0
    }
    let unquantized = precisions.unquantized
    if unquantized == precisions.weights && unquantized == precisions.activations {
      unquantizedGEMM = gemm
    } else {
      unquantizedGEMM = fitted(
        .gemm, Self.numberTypes(Precisions(unquantized)), KernelMachine(device, unquantized),
        of: device
      ) { law, _ in law.host = 0 }
    }
    chooseExperts(layout, types, KernelMachine(device, arithmetic), device)
    chooseAttention(device)
    chooseStreams(device)
  }

  private mutating func chooseExperts(
    _ layout: ExpertLayout, _ types: [String], _ machine: KernelMachine?, _ device: Device
  ) {
    experts = fitted(.experts, types, machine, of: device, layout: layout)
    guard experts == nil, layout != .packed else { return }
    experts = fitted(.experts, types, machine, of: device)
  }

  private mutating func chooseAttention(_ device: Device) {
    let types = Self.attentionTypes(precisions)
    let half = KernelMachine(device, .bf16)
    // FlashAttention multiplies in the cache's precision, FlashMLA widens what it reads.
    let machine = precisions.kvCache.bytes < 2 ? KernelMachine(device, .fp8) : half
    attentionDecode = fitted(.attentionDecode, types, machine, of: device) { _, machine in
      // Another layer's cache has passed since a layer's own was read: all of it comes from memory.
      machine.cache = 0
    }
    attentionPrompt = fitted(.attentionPrompt, types, machine, of: device)
    latentDecode = fitted(.latentDecode, types, half, of: device)
    latentPrompt = fitted(.latentPrompt, types, half, of: device)
    decodeLibrary = AttentionLibrary(kernel: attentionDecode?.kernel ?? "", on: device)
    promptLibrary = AttentionLibrary(kernel: attentionPrompt?.kernel ?? "", on: device)
    latentDecodeLibrary = LatentLibrary(kernel: latentDecode?.kernel ?? "")
    latentPromptLibrary = LatentLibrary(kernel: latentPrompt?.kernel ?? "")
  }

  private mutating func chooseStreams(_ device: Device) {
    guard precisions.outputs.bytes == 2, let machine = KernelMachine(device, .bf16) else { return }
    let own = device.kernels.filter { $0.family == .streaming }
    let lowest = own.map(\.precedence).min()
    let known = Set(own.filter { $0.precedence == lowest }.map(\.kernel))
    func stream(_ kernel: String) -> Fitted<StreamingLaw>? {
      // A user's entry that is named like none of the program's is for all of them.
      let fitting = own.filter { $0.kernel == kernel || !known.contains($0.kernel) }
      let last = fitting.last
      let named = fitting.last { $0.kernel == kernel && $0.precedence == last?.precedence }
      return (named ?? last ?? own.first).map { Fitted($0, on: machine) { _, _ in } }
    }
    if let normalization = stream("input_layernorm"), let rotary = stream("attn_rope"),
      let embedding = stream("emb"), let elementwise = stream("mlp_act")
    {
      streaming = Streams(
        normalization: normalization, rotaryEmbedding: rotary, embedding: embedding,
        elementwise: elementwise)
    }
    remark(.streaming, device.kernels.first { $0.family == .streaming }, asked: nil, device)
  }

  /// The entry with most rows of the first of `types` that was measured; nil where none was.
  ///
  /// - Parameter layout: Of the entries of routed experts; others have none but this.
  private mutating func fitted<Law: KernelLaw>(
    _ family: KernelFamily, _ types: [String], _ machine: KernelMachine?, of device: Device,
    layout: ExpertLayout = .packed,
    asRun change: (inout Law, inout KernelMachine) -> Void = { _, _ in }
  ) -> Fitted<Law>? {
    guard let machine else { return nil }
    for type in types {
      let entry = device.kernels.filter {
        $0.family == family && $0.numberType == type && $0.expertLayout == layout
      }.mostRows
      guard let entry else { continue }
      let isSameRate = Set([type, types[0]]).isSubset(of: ["bfloat16", "float16"])
      remark(family, entry, asked: isSameRate || type == types[0] ? nil : types[0], device)
      return Fitted(entry, on: machine, asRun: change)
    }
    return nil
  }

  private mutating func remark(
    _ family: KernelFamily, _ entry: KernelCalibration?, asked: String?, _ device: Device
  ) {
    guard let entry else { return }
    if entry.device != device.name {
      remarks.append(
        Remark(family: family, text: KernelCalibration.remark(relative: entry.device)))
    }
    if let asked {
      remarks.append(Remark(family: family, text: entry.remark(standingInFor: asked)))
    }
  }

  /// What results that used `families` must say, each sentence once.
  public func remarks(for families: some Sequence<KernelFamily>) -> [String] {
    let used = Set(families)
    var sentences: [String] = []
    for remark in remarks where used.contains(remark.family) && !sentences.contains(remark.text) {
      sentences.append(remark.text)
    }
    return sentences
  }

  /// The types of numbers that multiplications are measured in, the nearest first, as tables name
  /// them; none for what was never measured.
  static func numberTypes(_ precisions: Precisions) -> [String] {
    let (weights, activations) = (precisions.weights, precisions.activations)
    guard weights != .fp32 && activations != .fp32 else { return [] }
    guard activations.bytes >= 2 || weights.bytes >= 2 else {
      return KernelCalibration.nearestTypes(to: activations.rawValue)
    }
    let isHalf = activations.multiplied(by: weights) == .fp16
    return KernelCalibration.nearestTypes(
      to: weights.bytes < 2 ? "\(weights.rawValue)_wo" : isHalf ? "float16" : "bfloat16")
  }

  /// The same of attention.
  static func attentionTypes(_ precisions: Precisions) -> [String] {
    guard precisions.outputs.bytes == 2, precisions.kvCache != .fp32 else { return [] }
    if precisions.kvCache.bytes < 2 { return [precisions.kvCache.rawValue, "fp8", "bfloat16"] }
    return precisions.kvCache == .fp16 ? ["float16", "bfloat16"] : ["bfloat16", "float16"]
  }
}

extension KernelLaws.Fitted<GEMMLaw> {
  /// s: of a call that converts nothing.
  var launch: Double { shared.value.prepared.law.launch }
}
