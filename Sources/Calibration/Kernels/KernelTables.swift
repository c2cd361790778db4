import Hardware
import Models

/// Tables of measured kernels of one device, sorted by what their kernels do.
///
///     let tables = try KernelTables(reading: ["gemm.csv.xz", "moe.csv.xz"], on: device)
///     for rows in tables.kernels { print(rows.family, rows.kernel, rows.count) }
///
/// What a table is of is seen from its columns: those of ai-dynamo/aiconfigurator, alibaba/InferSim
/// and microsoft/vidur, or `op`, `shape`, `dtype` and `microseconds` (``MeasurementTable``'s plain
/// form). Profiles of casys-kaist/LLMServingSim say which layer a row is of, and not how wide it is.
public struct KernelTables: Sendable {
  /// By family, then by name.
  public private(set) var kernels: [any KernelRows] = []
  /// Rows that no law here is about, with the reason.
  public private(set) var leftOut: [LeftOutMeasurement] = []

  private var gemms: [KernelMeasurement<GEMMWork>] = []
  private var groups: [KernelMeasurement<GroupedGEMMWork>] = []
  private var experts: [KernelMeasurement<FusedExpertsWork>] = []
  private var decodes: [KernelMeasurement<AttentionDecodeLaw.Work>] = []
  private var prompts: [KernelMeasurement<AttentionPromptLaw.Work>] = []
  private var latentDecodes: [KernelMeasurement<LatentDecodeLaw.Work>] = []
  private var latentPrompts: [KernelMeasurement<LatentPromptLaw.Work>] = []
  private var streams: [KernelMeasurement<StreamingLaw.Work>] = []

  /// - Parameter model: Whose layers profiles are of; other tables do not need it.
  /// - Throws: ``CalibrationError``.
  public init(
    reading files: [String], on device: Device, of model: ModelArchitecture? = nil
  ) throws(CalibrationError) {
    let machine: (Precision) -> KernelMachine? = { KernelMachine(device, $0) }
    guard let plain = machine(.bf16) else { throw .noUnits(device: device.name) }
    // Attention computes in what its cache holds; where a device has no fp8, in 16 bits.
    let orPlain: (Precision) -> KernelMachine = { machine($0) ?? plain }
    for file in files {
      let table = try MeasurementTable(reading: file)
      try table.checkDevice([device], wanted: device.name)
      switch table.kernelForm {
      case .plain: try add(table.plainKernels(on: device))
      case .gemm: gemms += try table.gemmMeasurements(on: machine)
      case .groupedGEMM: groups += try table.groupedMeasurements(on: machine)
      case .experts: experts += try table.expertsMeasurements(on: machine)
      case .attention:
        let rows = try AttentionMeasurements(reading: [file], on: orPlain)
        decodes += rows.decodes
        prompts += rows.prompts
        leftOut += rows.leftOut
      case .latent:
        let rows = try LatentMeasurements(reading: [file], on: orPlain)
        latentDecodes += rows.decodes
        latentPrompts += rows.prompts
        leftOut += rows.leftOut
      case .streaming: streams += try StreamingMeasurements(reading: [file], on: plain).rows
      case .layers:
        let found = try table.layerMultiplications(of: model, on: plain)
        gemms += found.rows
        leftOut += found.leftOut
      case .attentionProfile:
        let found = try table.attentionProfile(on: device, plain)
        decodes += found.rows
        leftOut += found.leftOut
      case nil: throw .unknownKernelTable(file: file, has: table.columns)
      }
    }
    sort()
  }

  private mutating func add(_ rows: [PlainKernelRow]) {
    for row in rows {
      switch row.work {
      case .gemm(let work): gemms.append(row.measurement(work))
      case .groupedGEMM(let work): groups.append(row.measurement(work))
      case .experts(let work): experts.append(row.measurement(work))
      case .attentionDecode(let work): decodes.append(row.measurement(work))
      case .attentionPrompt(let work): prompts.append(row.measurement(work))
      case .latentDecode(let work): latentDecodes.append(row.measurement(work))
      case .latentPrompt(let work): latentPrompts.append(row.measurement(work))
      case .streaming(let work): streams.append(row.measurement(work))
      }
    }
  }

  private mutating func sort() {
    kernels += MeasuredKernels<GEMMLaw>.grouped(.gemm, gemms) { .init(telling: $0) }
    kernels += MeasuredKernels<GroupedGEMMLaw>.grouped(.groupedGEMM, groups) {
      .init(telling: $0)
    }
    kernels += MeasuredKernels<FusedExpertsLaw>.grouped(.experts, experts) { .init(telling: $0) }
    kernels += MeasuredKernels<AttentionDecodeLaw>.grouped(.attentionDecode, decodes) {
      .attention($0)
    }
    kernels += MeasuredKernels<AttentionPromptLaw>.grouped(.attentionPrompt, prompts) {
      .attention($0)
    }
    kernels += MeasuredKernels<LatentDecodeLaw>.grouped(.latentDecode, latentDecodes) { _ in
      .init()
    }
    kernels += MeasuredKernels<LatentPromptLaw>.grouped(.latentPrompt, latentPrompts) { _ in
      .init()
    }
    kernels += MeasuredKernels<StreamingLaw>.grouped(.streaming, streams) { _ in .streaming }
  }
}

extension MeasurementTable {
  enum KernelForm {
    case plain, gemm, groupedGEMM, experts, attention, latent, streaming, layers, attentionProfile
  }

  /// Of the kernels that the columns are of; nil where no form here has such columns.
  var kernelForm: KernelForm? {
    if has("op") && has("microseconds") { return .plain }
    if has("num_local_experts") && has("up_proj_us") { return .groupedGEMM }
    if has("moe_dtype") { return .experts }
    if has("gemm_dtype") || has("m") && has("n") && has("k") { return .gemm }
    if has("num_key_value_heads") { return .attention }
    if has("kv_cache_dtype") && has("tp_size") { return .latent }
    if has("time_stats.add.median") { return .streaming }
    if has("layer_name") && has("latency(ns)") { return .layers }
    if has("time_stats.attn_decode.median") { return .attentionProfile }
    // InferSim's: the shape stands in the folder's and the file's name.
    if has("latency_us") && has("dtype") { return file.contains("mla") ? .latent : .attention }
    return nil
  }
}
