import Hardware
import Models
import Units

/// What a question costs that a planner asks of kernels: how long does this launch take?
///
/// The shipped numbers of H100, on shapes of Mixtral-8x7B and DeepSeek-V3 from one sequence to
/// thousands, in turn; processor time of one thread. `law` asks a family's law alone, `cost` asks
/// ``KernelCostModel`` as a planner does, energy and data sheet included.
func kernelsBenchmark(quick: Bool) throws -> [BenchmarkRow] {
  let catalogue = try HardwareCatalogue.load()
  let device = try catalogue.device(named: "h100-sxm")
  let repetitions = quick ? 5 : 15
  let queries = quick ? 200_000 : 1_000_000
  var rows: [BenchmarkRow] = []
  func measure(_ name: String, note: String, _ sum: (_ queries: Int) -> Double) {
    var total = sum(queries / 10)
    let times = (0..<repetitions).map { _ in
      secondsTaken { total += sum(queries) } / Double(queries) * 1e9
    }
    // Printed, so that nothing may be left out.
    let mean = total / Double(queries / 10 + repetitions * queries)
    rows.append(
      BenchmarkRow(
        "kernels: \(name)", times, unit: "ns",
        note: "\(note); \(Seconds(mean)) predicted on average"))
  }

  for kind in LawKind.allCases {
    let entry = catalogue.kernels.first {
      $0.device == device.name && $0.family == kind.family && $0.numberType == kind.numberType
    }
    let precision: Precision = kind.numberType.hasPrefix("fp8") ? .fp8 : .bf16
    guard let entry, let machine = KernelMachine(device, precision) else { continue }
    let question = kind.question(entry, machine)
    measure("law of \(kind.rawValue)", note: "\(question.count) shapes") {
      question.sum($0)
    }
  }

  for precisions in [
    Precisions(.bf16), Precisions(weights: .fp8, activations: .fp8, kvCache: .bf16),
  ] {
    let model = KernelCostModel(device, for: precisions)
    let type = precisions.weights.rawValue
    let operators = gemmShapes.map { m, n, k in
      Operator(.outputProjection, .gemm(GEMM(m: m, n: n, k: k)), precisions)
    }
    measure("cost of gemm, \(type)", note: "\(operators.count) shapes") {
      added(operators, $0) { model.cost(of: $0).time.value }
    }
    let loads = expertLoads
    measure("cost of experts, \(type)", note: "\(loads.count) loads") { queries in
      added(loads, queries) { load in
        let cost = model.cost(
          ofExperts: load, chosen: 1, experts: 8, hidden: 7168, intermediate: 2048
        ) { body in
          let (tokens, active) = (Int(load.rows), Int(load.active))
          let up = GroupedGEMM(tokens: tokens, activeExperts: active, n: 4096, k: 7168)
          let down = GroupedGEMM(tokens: tokens, activeExperts: active, n: 7168, k: 2048)
          body(Operator(.expertUp, .groupedGEMM(up), precisions))
          body(Operator(.expertDown, .groupedGEMM(down), precisions))
        }
        return cost?.time.value ?? 0
      }
    }
  }
  return rows
}

/// What `ask` answers to questions in turn, added up.
@inline(__always)
private func added<Question>(
  _ questions: [Question], _ queries: Int, _ ask: (Question) -> Double
) -> Double {
  var sum = 0.0
  var next = 0
  for _ in 0..<queries {
    sum += ask(questions[next])
    next = next + 1 == questions.count ? 0 : next + 1
  }
  return sum
}

/// Questions to one law.
private protocol Questions {
  var count: Int { get }
  func sum(_ queries: Int) -> Double
}

private struct LawQuestions<Prepared: PreparedKernelLaw>: Questions {
  var law: Prepared
  var works: [Prepared.Work]

  var count: Int { works.count }
  func sum(_ queries: Int) -> Double {
    added(works, queries) { law.parts(of: $0).total }
  }
}

private enum LawKind: String, CaseIterable {
  case gemm = "gemm, bf16: nine tiles"
  case gemmByRows = "gemm, fp8: one tile"
  case gemmCompiled = "gemm, fp8 blocks: ten tiles"
  case experts = "experts, bf16"
  case expertsNarrow = "experts, fp8 blocks"
  case attentionDecode = "attention-decode, bf16"
  case attentionPrompt = "attention-prompt, bf16"
  case latentDecode = "latent-decode, bf16"
  case latentPrompt = "latent-prompt, bf16"
  case streaming = "streaming"

  var family: KernelFamily {
    switch self {
    case .gemm, .gemmByRows, .gemmCompiled: .gemm
    case .experts, .expertsNarrow: .experts
    case .attentionDecode: .attentionDecode
    case .attentionPrompt: .attentionPrompt
    case .latentDecode: .latentDecode
    case .latentPrompt: .latentPrompt
    case .streaming: .streaming
    }
  }

  var numberType: String {
    switch self {
    case .gemmByRows: "fp8"
    case .gemmCompiled, .expertsNarrow: "fp8_block"
    case .streaming: "input_layernorm"
    default: "bfloat16"
    }
  }

  func question(_ entry: KernelCalibration, _ machine: KernelMachine) -> any Questions {
    func ask<Law: KernelLaw>(_ law: Law.Type, _ works: [Law.Work]) -> any Questions {
      LawQuestions(law: Law(entry.values).prepared(for: machine), works: works)
    }
    let bytes = numberType == "bfloat16" ? 2.0 : 1.0
    switch self {
    case .gemm, .gemmByRows, .gemmCompiled:
      let tiling: GEMMTiling =
        self == .gemm ? .best : self == .gemmByRows ? .byRows : .compiled
      return ask(
        GEMMLaw.self,
        gemmShapes.map { m, n, k in
          GEMMWork(
            m: m, n: n, k: k, weightBytes: bytes, activationBytes: bytes, tiling: tiling,
            quantises: bytes < 2)
        })
    case .experts, .expertsNarrow:
      return ask(
        FusedExpertsLaw.self,
        expertLoads.map { load in
          FusedExpertsWork(
            tokens: Int(load.rows), chosen: 1, hidden: 7168, intermediate: 2048, load: load,
            weightBytes: bytes, activationBytes: bytes)
        })
    case .attentionDecode:
      return ask(
        AttentionDecodeLaw.self,
        batches.map { sequences, context in
          .init(
            .flashAttention3, sequences: sequences, context: context, queryHeads: 32, keyHeads: 8,
            width: 128)
        })
    case .attentionPrompt:
      return ask(
        AttentionPromptLaw.self,
        batches.map { sequences, context in
          .init(
            .flashAttention3, sequences: sequences, tokens: context, queryHeads: 32, keyHeads: 8,
            width: 128)
        })
    case .latentDecode:
      return ask(
        LatentDecodeLaw.self,
        batches.map { sequences, context in
          .init(
            .flashAttention, sequences: sequences, context: context, heads: 128, projects: false)
        })
    case .latentPrompt:
      return ask(
        LatentPromptLaw.self,
        batches.map { sequences, context in
          .init(.flashAttention, sequences: sequences, tokens: context, heads: 128)
        })
    case .streaming:
      return ask(
        StreamingLaw.self,
        batches.map { sequences, context in .init(rows: sequences * context / 128, rowBytes: 28_672)
        })
    }
  }
}

/// m, n and k of the layers of Mixtral-8x7B and DeepSeek-V3, for 1 to 8,192 tokens.
private let gemmShapes: [(m: Int, n: Int, k: Int)] = {
  let layers = [
    (6144, 4096), (4096, 4096), (8, 4096), (32_000, 4096), (2112, 7168), (24_576, 1536),
    (7168, 16_384), (4096, 7168), (7168, 2048), (129_280, 7168),
  ]
  let tokens = [1, 7, 16, 48, 96, 128, 200, 384, 1024, 3000, 8192]
  return tokens.flatMap { m in layers.map { (m, $0.0, $0.1) } }
}()

/// Sequences and their context.
private let batches: [(Int, Int)] =
  [1, 3, 16, 64, 96, 256].flatMap { sequences in
    [130, 512, 1000, 2048, 4096, 8192, 20_000].map { (sequences, $0) }
  }

/// 256 draws of the rows of one to eight experts, some of them without any.
private let expertLoads: [GroupedLoad] = {
  var random = Xorshift(state: 88_172_645_463_325_252)
  return (0..<256).map { draw in
    var load = GroupedLoad()
    let most = UInt64(1) << UInt64(draw % 12 + 1)
    for _ in 0...(draw % 8) { load.add(Int(random.next() % most)) }
    load.add(1)
    return load
  }
}()
