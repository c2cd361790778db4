import Hardware
import Models

/// A kernel in words: its family, its dimensions and the type of its numbers, as a command line or a
/// plain table says them.
///
///     let shape = try KernelShape(.gemm, [4096, 4096, 4096], type: "bf16")
///     let work = try shape.work(of: "torch_mm bfloat16", on: device)
public struct KernelShape: Hashable, Sendable {
  public let family: KernelFamily
  public let dimensions: [Int]
  /// As in tables: `bfloat16`, `fp8_block`.
  public let type: String

  /// - Parameter type: As in tables, or in short: `bf16`, `fp8-block`.
  /// - Throws: ``CalibrationError/badShape(family:wanted:)``,
  ///   ``CalibrationError/impossibleShape(family:detail:)``.
  public init(
    _ family: KernelFamily, _ dimensions: [Int], type: String
  ) throws(CalibrationError) {
    let names = family.dimensions
    guard dimensions.count == names.count,
      dimensions.allSatisfy({ (1...(1 << 30)).contains($0) })
    else { throw .badShape(family: family.rawValue, wanted: names) }
    if let detail = Self.contradiction(family, dimensions) {
      throw .impossibleShape(family: family.rawValue, detail: detail)
    }
    self.family = family
    self.dimensions = dimensions
    self.type = Self.long[type] ?? type
  }

  /// What cannot be, though each number alone could; nil where nothing is.
  private static func contradiction(_ family: KernelFamily, _ numbers: [Int]) -> String? {
    func tooMany(_ position: Int, _ most: Int) -> String? {
      let name = family.dimensions[position]
      return numbers[position] <= most
        ? nil : "\(name) is \(numbers[position]), and \(most) is the most that is computed here"
    }
    switch family {
    case .experts:
      let (experts, chosen) = (numbers[3], numbers[4])
      return chosen > experts
        ? "top-k is \(chosen), but there are only \(experts) experts to choose from"
        : tooMany(3, 65_535)
    case .groupedGEMM: return tooMany(1, 65_535)
    case .attentionDecode, .attentionPrompt:
      let (queryHeads, keyHeads) = (numbers[2], numbers[3])
      return queryHeads % keyHeads == 0
        ? tooMany(4, 4096)
        : "\(queryHeads) query heads cannot share \(keyHeads) key heads evenly"
    case .gemm, .latentDecode, .latentPrompt, .streaming: return nil
    }
  }

  private static let long = [
    "bf16": "bfloat16", "fp16": "float16", "fp8-block": "fp8_block", "fp8-kernel": "fp8_kernel",
    "int8-wo": "int8_wo",
    "int4-wo": "int4_wo",
  ]

  /// The types that kernels of the family come in.
  public static func types(of family: KernelFamily) -> [String] {
    switch family {
    case .gemm: GEMMKind.all.keys.sorted()
    case .groupedGEMM, .experts: ExpertsKind.all.keys.sorted()
    case .streaming: ["bfloat16"]
    default: ["bfloat16", "float16", "fp8"]
    }
  }

  /// What the kernel has to do, with weights and caches that come from memory, and the data sheet for
  /// the precision that it computes in.
  ///
  /// - Parameter kernel: The library's kernel, which says how it cuts the work:
  ///   ``KernelCalibration/kernel``.
  /// - Throws: ``CalibrationError``.
  public func work(
    of kernel: String, on device: Device
  ) throws(CalibrationError) -> (work: KernelWork, machine: KernelMachine) {
    guard Self.types(of: family).contains(type) else {
      throw .unknownType(type, family: family.rawValue, known: Self.types(of: family))
    }
    let numbers = dimensions
    let isFP8 = type == "fp8"
    var precision = isFP8 ? Precision.fp8 : .bf16
    let work: KernelWork
    switch family {
    case .gemm:
      let kind =
        GEMMKind.all[type]
        ?? GEMMKind(
          weightBytes: 2, activationBytes: 2, arithmetic: .bf16)
      precision = kind.arithmetic
      work = .gemm(
        GEMMWork(
          m: numbers[0], n: numbers[1], k: numbers[2], weightBytes: kind.weightBytes,
          activationBytes: kind.activationBytes, tiling: kind.tiling, quantises: kind.quantises))
    case .groupedGEMM:
      let kind =
        ExpertsKind.all[type]
        ?? ExpertsKind(
          weightBytes: 2, activationBytes: 2, arithmetic: .bf16)
      precision = kind.arithmetic
      let (rows, experts) = (numbers[0], numbers[1])
      let counts = (0..<experts).map { rows / experts + ($0 < rows % experts ? 1 : 0) }
      work = .groupedGEMM(
        GroupedGEMMWork(
          load: GroupedLoad(counts: counts), n: numbers[2], k: numbers[3],
          weightBytes: kind.weightBytes, activationBytes: kind.activationBytes))
    case .experts:
      let kind =
        ExpertsKind.all[type]
        ?? ExpertsKind(
          weightBytes: 2, activationBytes: 2, arithmetic: .bf16)
      precision = kind.arithmetic
      let shape = ExpertsRouting.Shape(
        tokens: numbers[0], experts: numbers[3], chosen: numbers[4], devices: 1)
      work = .experts(
        FusedExpertsWork(
          tokens: numbers[0], chosen: numbers[4], hidden: numbers[1], intermediate: numbers[2],
          load: ExpertsRouting.balanced.loads(shape).load, weightBytes: kind.weightBytes,
          activationBytes: kind.activationBytes,
          tiling: kind.tiling(
            tokens: numbers[0], chosen: numbers[4], experts: numbers[3], false)))
    case .attentionDecode:
      work = .attentionDecode(
        AttentionDecodeLaw.Work(
          AttentionLibrary(kernel: kernel, on: device), sequences: numbers[0],
          context: numbers[1], queryHeads: numbers[2], keyHeads: numbers[3], width: numbers[4],
          elementBytes: isFP8 ? 1 : 2))
    case .attentionPrompt:
      work = .attentionPrompt(
        AttentionPromptLaw.Work(
          AttentionLibrary(kernel: kernel, on: device), sequences: numbers[0],
          tokens: numbers[1], queryHeads: numbers[2], keyHeads: numbers[3], width: numbers[4],
          elementBytes: isFP8 ? 1 : 2))
    case .latentDecode:
      precision = .bf16
      work = .latentDecode(
        LatentDecodeLaw.Work(
          LatentLibrary(kernel: kernel), sequences: numbers[0], context: numbers[1],
          heads: numbers[2], elementBytes: isFP8 ? 1 : 2))
    case .latentPrompt:
      precision = .bf16
      work = .latentPrompt(
        LatentPromptLaw.Work(
          LatentLibrary(kernel: kernel), sequences: numbers[0], tokens: numbers[1],
          heads: numbers[2]))
    case .streaming:
      work = .streaming(StreamingLaw.Work(rows: numbers[0], rowBytes: Double(numbers[1])))
    }
    guard let machine = KernelMachine(device, precision) else {
      throw .noUnits(device: device.name)
    }
    return (work, machine)
  }
}

extension KernelFamily {
  /// What a kernel's shape says, in order.
  public var dimensions: [String] {
    switch self {
    case .gemm: ["m", "n", "k"]
    case .groupedGEMM: ["rows", "experts", "n", "k"]
    case .experts: ["tokens", "hidden", "intermediate", "experts", "top-k"]
    case .attentionDecode: ["sequences", "context", "query-heads", "key-heads", "head-width"]
    case .attentionPrompt: ["sequences", "tokens", "query-heads", "key-heads", "head-width"]
    case .latentDecode: ["sequences", "context", "heads"]
    case .latentPrompt: ["sequences", "tokens", "heads"]
    case .streaming: ["rows", "bytes-of-a-row"]
    }
  }
}
